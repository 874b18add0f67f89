// The one way in which another thread asks the event loop. The question runs on the loop's thread.
// The thread that asks waits for the answer, but not for ever.
//
//   auto guests = Ask<std::vector<GuestSeries>>(loop, [status] { return status->Series(); });
//
// A question whose asker has given up is not answered. It may be running by then, so all that it
// refers to must exist as long as the loop turns.
//
// Errors: UNAVAILABLE when the loop has not answered in time.
//
// Thread safety: safe from any thread but the loop's own, which would wait for itself.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "hostagent/loop/event_loop.h"

namespace entropyd {

// A loop that has not answered by then hangs. It is better to say so than to wait with it.
inline constexpr absl::Duration kAskPatience = absl::Seconds(2);

template <typename Answer>
absl::StatusOr<Answer> Ask(EventLoop* loop, std::function<Answer()> question,
                           absl::Duration patience = kAskPatience) {
  struct Exchange {
    absl::optional<Answer> answer;
    absl::Notification answered;
    std::atomic<bool> given_up = false;
  };
  // It outlives whichever of the two threads ends first.
  const auto exchange = std::make_shared<Exchange>();
  loop->Post([exchange, question = std::move(question)] {
    // A loop that hung has enough to do.
    if (exchange->given_up) return;
    exchange->answer.emplace(question());
    exchange->answered.Notify();
  });
  if (!exchange->answered.WaitForNotificationWithTimeout(patience)) {
    exchange->given_up = true;
    return absl::UnavailableError("the agent's event loop does not answer");
  }
  return *std::move(exchange->answer);
}

}  // namespace entropyd
