// Takes a changed configuration and changed certificates while the server runs: the server's own
// certificate and key, the CAs, the CRLs, the policy, the log, and by the Reconfigurer sources,
// pools, classes and limits. All or nothing: a file that is bad changes nothing.
//
//   Reloader reloader(load, "server.yaml", plan, parts, clock, metrics);
//   ... twice a second, and at SIGHUP ...
//   reloader.Tick();
//   reloader.Reload("SIGHUP");
//
// Tick() looks whether a file has changed. When server.yaml is bad, changed certificates and CRLs
// are taken all the same, by the configuration in force: no typing error keeps a revoked peer in.
// Peers that the new rules do not let in any more are ended at once; nobody else notices anything.
//
// Errors: a reload that failed tells a ReloadReport.
//
// Thread safety: one owner; Ask(), problem() and Stop() are safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "server/access/gate.h"
#include "server/attach/protocols.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/reconfigurer.h"
#include "server/reload/config_change.h"
#include "server/reload/file_watch.h"
#include "server/reload/reload_report.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/serving_credentials.h"
#include "server/server.h"

namespace entropyd {

class Reloader {
 public:
  // What is on disk now, checked as for --check-config.
  using Load = std::function<absl::StatusOr<ServerPlan>()>;
  // What has changed, or why nothing has.
  using Outcome = absl::StatusOr<ReloadOutcome>;
  using Done = std::function<void(const Outcome&)>;

  // What a reload changes. All of it outlives the reloader.
  struct Parts {
    Gate* gate;
    Reconfigurer* reconfigurer;
    DispatchLoop* loop;
    Protocols* protocols;
    OpenCalls* open_calls;
    ServingCredentials* credentials;
    // The end of the server's certificate has changed.
    std::function<void(absl::Time)> certificate_end;
    Log* log;
  };

  // `running` is what the server was started with. Clock and metrics outlive the reloader.
  Reloader(Load load, std::string config_path, const ServerPlan& running, Parts parts,
           const Clock* clock, Metrics* metrics);

  // Takes what has changed since the last Tick(), and answers who asked.
  void Tick();
  Outcome Reload(absl::string_view cause);

  // Asks for a reload at the next Tick(). `done` hears of it on the owner's thread, and of what was
  // taken shortly before without being asked for; after Stop() it hears UNAVAILABLE at once.
  void Ask(Done done);
  std::string problem() const { return report_.problem(); }
  void Stop();

 private:
  absl::StatusOr<tls::Material> LoadFiles() const;
  void WatchFiles();
  // Takes all; or the files alone if some of them are among the `changed` ones of the watch.
  Outcome Take(absl::string_view cause, uint64_t changed);
  Outcome TakeAll(absl::string_view cause);
  // Takes the files of the configuration in force, if they are good.
  void TakeFiles();
  // Adds what has changed to `changes`. Returns whether others are trusted than before.
  bool TakeMaterial(tls::Material material, std::vector<ConfigChange>* changes);
  // Policy and trust have changed.
  void TakeRules();
  void TellTaken(absl::string_view cause, const std::vector<ConfigChange>& changes) const;
  // Those who wait for a reload. They wait no more in the list.
  std::vector<Done> TakeAsked();
  void TellStaleLists();
  // What nobody asked for, and an operator may ask for soon.
  void KeepUntold(const ReloadOutcome& outcome);
  void TellUntold(ReloadOutcome* outcome);
  void DropOld();

  const Load load_;
  const std::string config_path_;
  const Parts parts_;
  const Clock* const clock_;
  ReloadReport report_;
  Gauge* const next_crl_;
  FileWatch watch_;
  // What the server was started with; parts of it hold until it ends.
  const config::v1::Server started_;
  // What holds now.
  config::v1::Server config_;
  Policy policy_;
  tls::Material material_;
  struct Untold {
    int64_t at_nanos;
    ConfigChange change;
  };
  // The eldest first.
  std::deque<Untold> untold_;
  // So many stale lists have been told.
  size_t stale_told_ = 0;

  mutable absl::Mutex mutex_;
  std::vector<Done> asked_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace entropyd
