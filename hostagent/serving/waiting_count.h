// How many members wait, or did a moment ago.
//
//   WaitingCount waiting;
//   waiting.Note(&member.wait, now);              // it waits, or was served at once
//   if (waiting.RecountIsDue(now)) {
//     for (Member& member : members) waiting.Recount(&member.wait, member.want > 0, now);
//   }
//   waiting.Leaves(&member.wait);
//
// Errors: none.
//
// Thread safety: values.
#pragma once

#include <cstdint>

#include "base/process/nanos.h"

namespace entropyd {

class WaitingCount {
 public:
  // A member that waited within this time still counts as waiting. One that asks now and then, and
  // is served each time, is part of what its host needs.
  static constexpr int64_t kMemoryNanos = 2 * kSecondNanos;
  // How often members that stopped waiting leave the count.
  static constexpr int64_t kRecountNanos = kSecondNanos;

  // What is kept of one member.
  struct Wait {
    bool counted = false;
    int64_t last_at = 0;
  };

  // Members that wait, or did within kMemoryNanos, give or take kRecountNanos.
  uint32_t count() const { return count_; }

  void Note(Wait* wait, int64_t now_nanos) {
    wait->last_at = now_nanos;
    count_ += !wait->counted;
    wait->counted = true;
  }
  void Leaves(Wait* wait) {
    count_ -= wait->counted;
    wait->counted = false;
  }

  // True once each kRecountNanos: Recount() every member then.
  bool RecountIsDue(int64_t now_nanos) {
    if (now_nanos - recounted_at_ < kRecountNanos) return false;
    recounted_at_ = now_nanos;
    return true;
  }
  void Recount(Wait* wait, bool waits, int64_t now_nanos) {
    if (!wait->counted) return;
    if (waits) wait->last_at = now_nanos;
    if (now_nanos - wait->last_at < kMemoryNanos) return;
    Leaves(wait);
  }

 private:
  uint32_t count_ = 0;
  int64_t recounted_at_ = 0;
};

}  // namespace entropyd
