// Lets a command wait for SIGINT, SIGTERM and SIGHUP, so that it can end in order.
//
//   Interrupt interrupt;                   // before any thread is started
//   while (!interrupt.Wait(absl::Seconds(1))) Refresh();
//
// Errors: none; when no descriptor is left, Wait() sees no signal.
//
// Thread safety: main's thread makes it before other threads start; Wait and Raised are safe
// afterwards.
#pragma once

#include "absl/time/time.h"
#include "base/process/fd.h"

namespace entropyd {

class Interrupt {
 public:
  Interrupt();   // blocks the signals in this thread and in those it will start
  ~Interrupt();  // unblocks them

  // True as soon as a signal has come; false after `timeout` without one. Once true, always true.
  bool Wait(absl::Duration timeout);
  bool Raised() { return Wait(absl::ZeroDuration()); }

 private:
  UniqueFd fd_;
};

}  // namespace entropyd
