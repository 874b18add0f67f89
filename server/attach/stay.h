// How long a session stays here: when it began, when it moves to another server by itself, and by
// when it has been asked to leave.
//
//   stay.Begin(now, now + kRotateNanos);
//   if (stay.MoveDue(now)) stay.AskToLeave("rebalance", now, now + kDrainNanos);
//   if (stay.Over(now)) ...                       // it has not left
//
// Errors: none.
//
// Thread safety: none; belongs to the dispatcher's owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/process/nanos.h"

namespace entropyd {

class Stay {
 public:
  // It begins now, and moves at `move_nanos`; kNever = it does not.
  void Begin(int64_t now_nanos, int64_t move_nanos) {
    begun_nanos_ = now_nanos;
    move_nanos_ = move_nanos;
  }
  int64_t begun_nanos() const { return begun_nanos_; }

  // It has to be gone at `deadline_nanos`, at the earliest now. False when it was asked to be gone
  // by then, or sooner: nothing changes.
  bool AskToLeave(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos) {
    if (leaves() && deadline_nanos_ <= deadline_nanos) return false;
    deadline_nanos_ = std::max(deadline_nanos, now_nanos);
    reason_ = std::string(reason);
    return true;
  }
  // It was asked to leave.
  bool leaves() const { return deadline_nanos_ != kNever; }
  // kNever = it may stay.
  int64_t deadline_nanos() const { return deadline_nanos_; }
  // Why it has to leave.
  const std::string& reason() const { return reason_; }

  bool MoveDue(int64_t now_nanos) const { return !leaves() && now_nanos >= move_nanos_; }
  bool Over(int64_t now_nanos) const { return leaves() && now_nanos >= deadline_nanos_; }

 private:
  int64_t begun_nanos_ = 0;
  int64_t move_nanos_ = kNever;
  int64_t deadline_nanos_ = kNever;
  std::string reason_;
};

}  // namespace entropyd
