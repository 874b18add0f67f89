// Tells whether the configuration on disk can replace the one that an agent runs with, and whether
// the two differ.
//
//   if (auto config = CheckReload(path, control, clock); !config.ok()) Tell(config.status());
//
//   ConfigOnDisk on_disk(config);
//   on_disk.ReloadFailed(path, why);
//   Show(on_disk.problem());            // OK when the file holds what is in use
//
// Thread safety: CheckReload() has no state; the classes belong to one thread each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// Reads and checks the file as --check-config does. `control` is the path of the running agent's
// control socket, which no reload can change. Returns what the file says.
//
// Errors: FAILED_PRECONDITION (no file, or another control socket); of config::Load and
// CheckAgentConfig, whose messages end with the version that checked the file.
absl::StatusOr<config::v1::HostAgent> CheckReload(const std::string& config_path,
                                                  const std::string& control, const Clock* clock);

// Why the configuration on disk is not in use. A file that holds what is in use is in use, even if
// the reload of it failed for another reason.
class ConfigOnDisk {
 public:
  explicit ConfigOnDisk(config::v1::HostAgent in_use) : in_use_(std::move(in_use)) {}

  // The reload of the file at `path` has failed.
  void ReloadFailed(const std::string& path, const absl::Status& why);
  // Forgets the problem when the file holds what is in use. Reads the file after each change, and
  // only while there is a problem.
  void Look();
  // OK: no problem known.
  const absl::Status& problem() const { return problem_; }
  const config::v1::HostAgent& in_use() const { return in_use_; }

 private:
  // Which state of the file it is: whoever writes the file changes one of them.
  struct Version {
    uint64_t inode = 0;
    int64_t size = 0;
    int64_t changed_nanos = 0;
    bool operator==(const Version&) const = default;
  };
  Version Now() const;

  const config::v1::HostAgent in_use_;
  std::string path_;
  absl::Status problem_;
  Version looked_at_;
};

// Does so while the event loop turns on: the disk and the name service may take long, and guests do
// not wait for them. A check that gets no answer in time is left behind, with its thread.
//
//   ReloadCheck check(&loop);
//   check.Start([] { return CheckReload(…); }, [](const ReloadCheck::Result& fresh) { … });
//
// Errors: those of the check; RESOURCE_EXHAUSTED when no thread can be started; DEADLINE_EXCEEDED.
//
// Thread safety: none; belongs to the event loop's thread.
class ReloadCheck {
 public:
  // A name service that answers at all does so within some seconds.
  static constexpr int64_t kPatienceNanos = 15 * kSecondNanos;

  using Result = absl::StatusOr<config::v1::HostAgent>;
  // Called once, on the loop's thread.
  using Done = std::function<void(const Result& result)>;

  explicit ReloadCheck(EventLoop* loop);
  ReloadCheck(const ReloadCheck&) = delete;
  ReloadCheck& operator=(const ReloadCheck&) = delete;
  // Calls nobody any more.
  ~ReloadCheck();

  bool busy() const { return done_ != nullptr; }
  // `check` runs on another thread, and may do so after this object has gone. Without a thread
  // `done` is called at once. REQUIRES: not busy().
  void Start(std::function<Result()> check, Done done);
  // Whoever waits for the check learns `why`.
  void GiveUp(const absl::Status& why);

 private:
  struct Shared;

  void Finish(const Result& result);

  EventLoop* const loop_;
  Timer patience_;
  // Of the check that is under way.
  std::shared_ptr<Shared> shared_;
  Done done_;
};

}  // namespace entropyd
