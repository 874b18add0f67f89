// Runs a Dispatcher on real threads. Whoever posts to the sleeping mailbox runs it at once, on its
// own thread: an agent's credit is answered without waiting for another thread to wake up. One
// thread of the loop's own keeps the timers, and takes over when a poster's turn gets long, so that
// a transport's thread is never kept.
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
  // Outgoing messages that a turn gathers before their encryption gets a thread of its own.
  static constexpr size_t kMaxGathered = 4;
  // What a poster's turn may take before the loop's thread continues it.
  static constexpr int64_t kMaxTurnNanos = 500 * kMicrosecondNanos;

  // Starts the thread. Dispatcher and clock outlive the loop. Errors: RESOURCE_EXHAUSTED (eventfd).
  static absl::StatusOr<std::unique_ptr<DispatchLoop>> Start(Dispatcher* dispatcher,
                                                             const Clock* clock);
  // Joins the thread. REQUIRES: nobody posts any more.
  ~DispatchLoop();

  void Post(MailNode* node, uint32_t events);
  // Runs `run` as the dispatcher's owner, soon; it must not block.
  void Run(Command::Run run);
  // Likewise, and waits for it. Not from a thread that the transport needs.
  void RunAndWait(Command::Run run);
  // For pools: their state has changed. Runs nothing on the caller's thread.
  void PoolsChanged();
  // When the dispatcher was run last; it runs at least once a second.
  int64_t last_step_nanos() const { return last_step_nanos_.load(std::memory_order_relaxed); }

 private:
  // What a turn does when there is more to do and its thread has done its share.
  enum class Overtime { kHandOver, kGoOn };

  DispatchLoop(Dispatcher* dispatcher, const Clock* clock, UniqueFd wake);
  void TakeTurn(Overtime overtime);
  void WakeAt(int64_t nanos);
  void Signal();
  void ThreadMain();
  void SleepUntil(int64_t nanos);

  Dispatcher* const dispatcher_;
  const Clock* const clock_;
  // Eventfd.
  const UniqueFd wake_;
  // When the thread has to look again.
  std::atomic<int64_t> wake_nanos_{0};
  // The mailbox is the thread's.
  std::atomic<bool> handed_over_{false};
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> last_step_nanos_{0};
  TickNode tick_;
  std::thread thread_;
};

}  // namespace entropyd
