// Runs a Dispatcher on real threads. A thread that posts to the sleeping mailbox runs the
// dispatcher at once, itself: an agent's credit is answered without waiting for another thread to
// wake up. The loop has one thread of its own. It keeps the timers, and takes over when the turn of
// a posting thread gets long, so that no thread of a transport is kept.
//
//   auto loop = DispatchLoop::Start(&dispatcher, clock).value();
//   loop->Post(call, event);                          // of a protocol
//   loop->RunAndWait([&](int64_t now_nanos) { … });   // as the dispatcher's owner
//
// Errors: RESOURCE_EXHAUSTED at the start; none later.
//
// Thread safety: safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/process/clock.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "server/dispatch/dispatcher.h"

namespace entropyd {

class DispatchLoop {
 public:
  // A turn gathers this many outgoing messages before their encryption gets a thread of its own.
  static constexpr size_t kMaxGathered = 4;
  // The turn of a posting thread may take so long. Then the loop's thread continues it.
  static constexpr int64_t kMaxTurnNanos = 500 * kMicrosecondNanos;

  // Starts the thread. Dispatcher and clock outlive the loop. Errors: RESOURCE_EXHAUSTED
  // (eventfd, thread).
  static absl::StatusOr<std::unique_ptr<DispatchLoop>> Start(Dispatcher* dispatcher,
                                                             const Clock* clock);
  // Joins the thread. REQUIRES: nobody posts any more.
  ~DispatchLoop();

  void Post(MailNode* node, uint32_t events);
  // Runs `run` soon, as the dispatcher's owner. It must not block.
  void Run(Command::Run run);
  // The same, and waits until it has run. Must not be called from a thread that the transport
  // needs.
  void RunAndWait(Command::Run run);
  // As Run(), but runs nothing on the caller's thread. For those who hold a lock: gRPC may call a
  // service's method in the middle of a turn, and the method may want that lock.
  void RunElsewhere(Command::Run run);
  // Pools call it when their state has changed. It runs nothing on the caller's thread.
  void PoolsChanged();
  // When the dispatcher ran last. It runs at least once a second.
  int64_t last_step_nanos() const { return last_step_nanos_.load(std::memory_order_relaxed); }

 private:
  // What a turn does when more is to do and its thread has done its share.
  enum class Overtime { kHandOver, kGoOn };

  DispatchLoop(Dispatcher* dispatcher, const Clock* clock, UniqueFd wake);
  void TakeTurn(Overtime overtime);
  void WakeAt(int64_t nanos);
  void Signal();
  void ThreadMain();
  void SleepUntil(int64_t nanos);

  Dispatcher* const dispatcher_;
  const Clock* const clock_;
  // An eventfd.
  const UniqueFd wake_;
  // When the thread must look again.
  std::atomic<int64_t> wake_nanos_{0};
  // True while the mailbox belongs to the loop's thread.
  std::atomic<bool> passed_on_{false};
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> last_step_nanos_{0};
  TickNode tick_;
  std::thread thread_;
};

}  // namespace entropyd
