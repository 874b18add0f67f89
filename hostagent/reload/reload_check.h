// Runs CheckReload() on a thread while the loop goes on: the disk and the name service may take
// long, and guests do not wait for them. A check that gets no answer in time is left behind, with
// its thread.
//
//   ReloadCheck check(&loop);
//   check.Start([] { return CheckReload(…); }, [](const ReloadCheck::Result& fresh) { … });
//
// Errors: those of the check; RESOURCE_EXHAUSTED when no thread can be started; DEADLINE_EXCEEDED.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/nanos.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

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
  // The caller that waits for the check gets `why`.
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
