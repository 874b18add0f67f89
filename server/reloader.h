// Takes a changed configuration and changed certificates while the server runs. It takes the
// server's own certificate and key, the CAs, the CRLs, the policy and the log itself; the
// Reconfigurer takes sources, pools, classes and limits. All or nothing: a file that is bad changes
// nothing.
//
//   Reloader reloader(load, "server.yaml", plan, parts, clock, metrics);
//   ... twice a second ...
//   reloader.Tick();
//   ... at SIGHUP ...
//   reloader.Ask("SIGHUP", done);
//
// Tick() looks whether a file has changed. A server.yaml that has changed is read only when two
// looks in a row find it unchanged, even if an operator asks: an editor may have emptied it and not
// written it yet. A file that ends too early may be valid, and would shut everybody out. For the
// same reason a reload refuses a policy without any rule for agents where there were some. The
// other files are read at once: half a certificate is never valid. A typing error must not keep a
// revoked peer in. When server.yaml is bad, the files that the configuration in use names are still
// taken. When the server's own certificate is bad, new CAs and CRLs are still taken. What has
// failed is tried again every ten seconds, because time may mend it: a certificate becomes valid.
// Peers that the new rules do not let in any more are ended at once; nobody else notices anything.
//
// Errors: a reload that failed tells a ReloadReport.
//
// Thread safety: one owner; Ask(), problem() and Stop() are safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "server/access/gate.h"
#include "server/attach/protocols.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/door/door.h"
#include "server/reconfigurer.h"
#include "server/reload/config_change.h"
#include "server/reload/file_watch.h"
#include "server/reload/reload_report.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/serving_credentials.h"
#include "server/server_plan.h"

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
    Door* door;
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

  // A server.yaml that has not rested for this long is reported.
  static constexpr int64_t kLongestUnrestNanos = 10 * kSecondNanos;

  // Takes what has changed before the last Tick() and rests, and answers who asked.
  void Tick();

  // Asks for a reload at the next Tick() that finds server.yaml at rest. `cause` is for the log.
  // `done` hears of it on the owner's thread; UNAVAILABLE when the file does not come to rest, and
  // at once after Stop(). One who asks as kOperator also hears of what was taken shortly before
  // without being asked for.
  static constexpr char kOperator[] = "operator";
  void Ask(std::string cause, Done done);
  // Somebody waits until server.yaml rests: the next Tick() may come sooner.
  bool awaited() const;
  std::string problem() const { return report_.problem(); }
  std::vector<std::string> needs_restart() const { return report_.needs_restart(); }
  void Stop();

 private:
  absl::StatusOr<tls::Material> LoadFiles() const;
  void WatchFiles();
  // Takes all; or of the files what is good, and reports the rest.
  Outcome Take(absl::string_view cause);
  // Errors are not told yet.
  Outcome TakeAll(absl::string_view cause);
  // Takes what the files of the configuration in force say, or of them who is trusted.
  void TakeFiles();
  absl::StatusOr<tls::Material> LoadTrust() const;
  // Adds what has changed to `changes`. Returns whether others are trusted than before.
  bool TakeMaterial(tls::Material material, std::vector<ConfigChange>* changes);
  // Policy and trust have changed.
  void TakeRules();
  void TellTaken(absl::string_view cause, const std::vector<ConfigChange>& changes) const;
  // server.yaml has changed since the last look.
  void AwaitRest(uint64_t changed);
  // Errors: INVALID_ARGUMENT.
  absl::Status CheckNoRoleIsLost(const ServerPlan& plan) const;
  struct Asked {
    std::string cause;
    Done done;
  };
  // Those who wait for a reload. They wait no more in the list.
  std::vector<Asked> TakeAsked();
  void TellWhatIsOld();
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
  // The oldest first.
  std::deque<Untold> untold_;
  // These have been told.
  std::set<std::string> stale_told_;
  // The log has said that the server's certificate has expired.
  bool expiry_told_ = false;
  // When what has failed is tried again; kNever = nothing has.
  int64_t retry_at_nanos_ = kNever;
  // Files, but for server.yaml, that changed while they were read. Bits as of FileWatch.
  uint64_t unread_ = 0;
  // Since when each look has found another server.yaml; kNever = it rests.
  int64_t restless_since_nanos_ = kNever;

  mutable absl::Mutex mutex_;
  std::vector<Asked> asked_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace entropyd
