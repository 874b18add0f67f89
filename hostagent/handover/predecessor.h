// The predecessor: the giver, after this process has taken its guests. It exits soon. Until then it
// uses the addresses of its control socket and of HTTP.
//
//   predecessor_.emplace(std::move(taken.link), &loop, [this] { OpenPorts(); });
//
// Errors: none; a predecessor that does not answer counts as gone in time.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/process/nanos.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class Predecessor {
 public:
  // The predecessor is gone within this time, or never.
  static constexpr int64_t kExitPatienceNanos = 10 * kSecondNanos;

  // Tells the predecessor that this process serves. Calls `gone` once: when the predecessor has
  // exited, or has let go of the link, or has done neither in time. It does not call it before the
  // loop turns. `gone` may destroy this object.
  Predecessor(std::unique_ptr<HandoverLink> link, EventLoop* loop, std::function<void()> gone);

 private:
  void Check();

  const std::unique_ptr<HandoverLink> link_;
  EventLoop* const loop_;
  const std::function<void()> gone_;
  const int64_t until_nanos_;
  Timer check_;
};

}  // namespace entropyd
