// The process whose guests this one has taken: it exits soon, and until then the addresses of its
// control socket and of HTTP are in use.
//
//   predecessor_.emplace(std::move(taken.link), &loop, [this] { OpenDoors(); });
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
  // It is gone within this time, or never.
  static constexpr int64_t kExitPatienceNanos = 10 * kSecondNanos;

  // Tells it that this process serves. Calls `gone` once, when it has exited, has let go of the
  // link, or does neither in time; not before the loop turns. `gone` may destroy this object.
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
