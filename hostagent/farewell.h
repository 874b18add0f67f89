// The end of an agent that has guests. It waits until they have taken the replies already written
// to them, because QEMU may handle a hang-up before unread data. Then it stops the loop.
//
//   Farewell farewell(&loop, connections);
//   farewell.Begin();   // the loop stops within a second
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>

#include "base/process/nanos.h"
#include "hostagent/guest/connections.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class Farewell {
 public:
  // The process must be gone 2 s after SIGTERM. gRPC and HTTP need some of that time.
  static constexpr int64_t kPatienceNanos = kSecondNanos;

  // Both outlive it.
  Farewell(EventLoop* loop, const Connections* connections);
  // Stops the loop when nothing is undelivered, and after kPatienceNanos at the latest.
  void Begin();

 private:
  void Check();

  EventLoop* const loop_;
  const Connections* const connections_;
  int64_t until_nanos_ = 0;
  Timer check_;
};

}  // namespace entropyd
