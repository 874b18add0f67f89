// What the dispatcher asks of those who speak with peers. Their claimants wait in its leaves; their
// messages are its plans made real.
//
// Thread safety: called by the dispatcher's owner.
#pragma once

#include <cstdint>

namespace entropyd {

class Protocol {
 public:
  virtual ~Protocol() = default;

  // Looks at all deadlines, at least once a second. Returns when to look again at the latest;
  // kNever = the second is soon enough.
  virtual int64_t Sweep(int64_t now_nanos) = 0;
  // The pass is over: turns what was planned, and what there is to say, into messages.
  virtual void Flush(int64_t now_nanos) = 0;
};

}  // namespace entropyd
