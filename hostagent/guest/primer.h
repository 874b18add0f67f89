// Unasked bytes for a QEMU that reconnected.
//
// QEMU never repeats a request that was pending when its connection dropped (backends/rng-egd.c). A
// Linux guest keeps exactly one in flight: its /dev/hwrng would stay frozen for ever. Bytes pushed
// into the new connection answer that lost request. Bytes that nobody waited for stay in the socket
// and answer the next request. So a new connection gets 64 bytes. When the peer takes them and
// still asks for nothing, it gets twice as many, and so on up to 64 KiB, the most that QEMU 10 lets
// be outstanding. When they stay in the socket, nothing was pending.
//
// Only peers known to be QEMU are primed (others would take the bytes for a reply), and never on a
// connection that has sent a command. Primed bytes are demand like any other: charged, shaped, and
// never subtracted from a later request.
//
//   primer.Grant(n);                           // primer.want() said how many
//   primer.OnPushed(Push(primer.TakeGranted()), now);
//   timer.Set(primer.next_check_nanos());      // then primer.OnCheck(all_read, now)
//
// No I/O: the caller writes, and asks the socket whether the peer took it all.
//
// Errors: none. A saved state that Save() cannot have given becomes the nearest possible one.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <utility>

#include "base/process/nanos.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class Primer {
 public:
  // What a Linux guest has in flight.
  static constexpr uint32_t kFirstPush = 64;
  // What QEMU 10 allows to be outstanding.
  static constexpr uint32_t kLastPush = 64 * 1024;
  // QEMU's main loop takes what was pending within a millisecond. On a loaded host it may need
  // longer, and on a host under memory pressure seconds.
  static constexpr int64_t kFirstCheckNanos = 5 * kMillisecondNanos;
  static constexpr int64_t kLastCheckNanos = kSecondNanos;
  static constexpr int64_t kPatienceNanos = 30 * kSecondNanos;

  // An inactive primer never wants anything.
  explicit Primer(bool active) : step_(active ? kFirstPush : 0), left_(step_) {}

  // Bytes of this step still to be pushed.
  uint64_t want() const { return left_; }
  // A pass gave it this many of them. They are to be pushed before the pass ends, or given up.
  void Grant(uint32_t bytes) { granted_ += bytes; }
  uint32_t granted() const { return granted_; }
  uint32_t TakeGranted() { return std::exchange(granted_, 0); }
  void OnPushed(uint32_t bytes, int64_t now_nanos);
  void OnCommand() { Stop(); }

  // When to look whether the peer has read it all; kNever = no need.
  int64_t next_check_nanos() const { return next_check_; }
  // `all_read`: the peer has taken every byte written to it.
  void OnCheck(bool all_read, int64_t now_nanos);

  // For a handover. `unsent` bytes of the last push did not leave and must be pushed again.
  void Save(uint32_t unsent, int64_t now_nanos, handover::v1::Primer* saved) const;
  // Takes only what Save() gives. An impossible step gives an inactive primer; an impossible time
  // becomes the nearest possible one.
  void Restore(const handover::v1::Primer& saved, int64_t now_nanos);
  bool active() const { return step_ > 0; }

 private:
  void Stop();

  // 0 = over.
  uint32_t step_;
  uint32_t left_;
  uint32_t granted_ = 0;
  int64_t pushed_at_ = 0;
  int64_t check_interval_ = kFirstCheckNanos;
  int64_t next_check_ = kNever;
};

}  // namespace entropyd
