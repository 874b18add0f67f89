// How many bytes of a class buffer are held back from those who already wait, for those who begin
// to.
//
//   HeldBack held_back(buffer->size());
//   held_back.BeforePass(buffer->level(), owed, members, now);
//   Distribute(buffer->level() - held_back.bytes());
//   held_back.AfterPass(buffer->level(), owed, members, now);
//
// If more is owed than would be held back, there is not enough for all. If little is owed, the
// members only wait for the next arrival, and to hold bytes back would make them wait longer.
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/process/nanos.h"
#include "hostagent/serving/class_buffer.h"

namespace entropyd {

class HeldBack {
 public:
  // 16 requests of a Linux guest. At most a quarter of a small buffer.
  static constexpr size_t kMax = ClassBuffer::kMinTarget;
  // Bytes are held back only while bytes keep arriving. When none arrive, the members that wait get
  // the rest.
  static constexpr int64_t kArrivalPatienceNanos = kSecondNanos;

  // `buffer_size`: of the whole buffer.
  explicit HeldBack(size_t buffer_size) : most_(std::min(kMax, buffer_size / 4)) {}

  // `level`: of the buffer. `owed`: the bytes that all `members` wait for.
  void BeforePass(size_t level, uint64_t owed, uint32_t members, int64_t now_nanos) {
    if (level > level_left_) arrived_at_ = now_nanos;
    Update(owed, members, now_nanos);
  }
  void AfterPass(size_t level, uint64_t owed, uint32_t members, int64_t now_nanos) {
    level_left_ = level;
    Update(owed, members, now_nanos);
  }
  // Bytes left the buffer without a pass. The next one must still see what has arrived since the
  // last one.
  void LeftWithoutPass(size_t bytes) { level_left_ -= std::min(level_left_, bytes); }

  size_t bytes() const { return bytes_; }

 private:
  void Update(uint64_t owed, uint32_t members, int64_t now_nanos) {
    const bool arrives = now_nanos - arrived_at_ < kArrivalPatienceNanos;
    bytes_ = owed > most_ && members > 1 && arrives ? most_ : 0;
  }

  const size_t most_;
  size_t bytes_ = 0;
  // The level after the last pass. More than that has arrived since.
  size_t level_left_ = 0;
  int64_t arrived_at_ = -kArrivalPatienceNanos;
};

}  // namespace entropyd
