// How an agent is replaced because somebody asks for it. An upgrade starts a successor at once. A
// reload first checks the configuration on disk, and then starts one of the same program.
//
//   Replacement replacement(config, &phase, &metrics.reload_failed, clock, &loop, &log);
//   replacement.Begin({.config_path = path, .control = control}, &succession);
//   replacement.Reload([](const absl::Status& status, const std::string& version) { … });
//
// The settings of a process are spread over connections, buffers, streams and metrics. To change
// them one by one would need a way back for each. So a successor with the new settings replaces the
// process. The handover closes no connection, and it succeeds or fails as a whole.
//
// Errors: Upgrade() and Reload() report to `done`, with the remedy: those of CheckPhase,
// CheckReload, ReloadCheck and Succession; ABORTED while another one is under way. The log says the
// same.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "hostagent/handover/succession.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/phase.h"
#include "hostagent/reload/config_on_disk.h"
#include "hostagent/reload/reload_check.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Replacement {
 public:
  using Purpose = Succession::Purpose;
  using Done = Succession::Done;

  struct Options {
    // The file that the configuration came from. Empty = Reload() is refused.
    std::string config_path;
    // The path of the control socket, which no reload can change.
    std::string control;
    // A reload has begun.
    std::function<void()> reloading = [] {};
    // It has failed. When one succeeds, this process ends.
    std::function<void()> reload_failed = [] {};
  };

  // `reload_failed` is kept at 1 while config_problem(), else at 0. All pointers outlive it.
  Replacement(config::v1::HostAgent in_use, const CurrentPhase* phase, LoopNumber* reload_failed,
              const Clock* clock, EventLoop* loop, Log* log);

  // From now on it can, if the phase allows it. `succession` outlives it.
  void Begin(Options options, Succession* succession);

  // `done` is called once: with the successor's version when it has the guests, or with the reason
  // why not. Then this process serves on as before.
  void Upgrade(Done done);
  void Reload(Done done);

  // The successor has failed (Succession::Subject).
  void Failed(Purpose purpose, const absl::Status& why);
  // The caller that waits for the check of a reload gets `why`.
  void GiveUp(const absl::Status& why) { check_.GiveUp(why); }
  // Call it about once a second: looks whether the file on disk is what is in use.
  void Tick();

  const std::string& config_path() const { return options_.config_path; }
  const config::v1::HostAgent& in_use() const { return on_disk_.in_use(); }
  // Why the file on disk is not in use; OK = no problem known.
  const absl::Status& config_problem() const { return on_disk_.problem(); }
  // Why no successor can come (Succession::problem()).
  absl::Status handover_problem() const;
  // What the last reload has changed, if its file was good (ConfigChanges).
  const std::vector<std::string>& changes() const { return changes_; }

 private:
  void Start(Purpose purpose, Done done);
  absl::Status Allowed() const;
  void Check(const Done& answer);
  void Checked(const ReloadCheck::Result& fresh, const Done& answer);
  void Note(Purpose purpose, const absl::Status& why, LogLevel level);
  void Show();

  const CurrentPhase* const phase_;
  LoopNumber* const reload_failed_;
  const Clock* const clock_;
  Log* const log_;
  ConfigOnDisk on_disk_;
  ReloadCheck check_;
  // From Begin() on.
  Options options_;
  Succession* succession_ = nullptr;
  std::vector<std::string> changes_;
};

}  // namespace entropyd
