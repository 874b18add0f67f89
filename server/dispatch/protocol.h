// What the dispatcher needs from a protocol: an object that speaks with peers. Its claimants wait
// in the leaves. It turns their plans into messages.
//
//   dispatcher.Add(&protocol);   // Sweep() and Flush() follow in each Step()
//
// Errors: a protocol tells its own peers what went wrong.
//
// Thread safety: the dispatcher's owner makes all calls.
#pragma once

#include <cstdint>

namespace entropyd {

class Protocol {
 public:
  virtual ~Protocol() = default;

  // Looks at all deadlines. Called at least once a second. Returns when to look again at the
  // latest; kNever = the next second is soon enough.
  virtual int64_t Sweep(int64_t now_nanos) = 0;
  // The pass is over: turns the plans and the news into messages.
  virtual void Flush(int64_t now_nanos) = 0;
};

}  // namespace entropyd
