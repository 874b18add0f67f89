// How a connection ends when its peer sends no more. The peer still gets the bytes that it is owed.
// Then the last replies may stay unread for a moment, because QEMU handles a hang-up before unread
// data.
//
//   half.OnInputOver();
//   half.Bound(now);                           // where the peer may have closed altogether
//   half.Linger(now);                          // when all was written
//   timer.Set(half.next_look_nanos());         // then:
//   if (half.Over(all_read, now)) Close();
//
// No I/O: the caller asks the socket whether the peer took it all.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>

#include "base/process/nanos.h"

namespace entropyd {

class HalfClose {
 public:
  // The last replies may stay unread for this long.
  static constexpr int64_t kLingerNanos = kSecondNanos;
  static constexpr int64_t kLookNanos = 10 * kMillisecondNanos;
  // By TCP a peer that has closed looks like one that has only finished sending, until bytes for it
  // come. So it waits for its replies no longer than this.
  static constexpr int64_t kMaxNanos = 30 * kSecondNanos;

  // The peer has shut down its sending side.
  bool input_over() const { return input_over_; }
  void OnInputOver() { input_over_ = true; }
  // From now on the connection lasts kMaxNanos at most; a second call changes nothing. It may be
  // that the end of the input waits behind input that is not read yet.
  void Bound(int64_t now_nanos) {
    if (until_ == 0) LookAt(until_ = now_nanos + kMaxNanos);
  }

  // Everything was written.
  bool lingering() const { return lingering_; }
  void Linger(int64_t now_nanos) {
    lingering_ = true;
    until_ = now_nanos + kLingerNanos;
  }

  // Whether nothing is left to wait for. `all_read`: the peer has taken every byte written to it.
  // REQUIRES: Bound() or Linger().
  bool Over(bool all_read, int64_t now_nanos) {
    LookAt(now_nanos + kLookNanos);
    return all_read || now_nanos >= until_;
  }
  // When to ask Over(); kNever = at no time.
  int64_t next_look_nanos() const { return next_look_; }

 private:
  void LookAt(int64_t nanos) { next_look_ = nanos; }

  bool input_over_ = false;
  bool lingering_ = false;
  int64_t until_ = 0;
  int64_t next_look_ = kNever;
};

}  // namespace entropyd
