// A token bucket that counts nano-bytes. rate (bytes/s) x elapsed (ns) is exact in these units, so
// no rounding error adds up, however often the bucket is filled.
//
//   TokenBucket bucket(/*rate=*/1 << 20, /*burst=*/4096);   // starts full
//   bucket.Fill(now);
//   if (bucket.Holds(1024 * TokenBucket::kNanosPerByte)) bucket.Take(1000);
//
// Errors: none.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>

namespace entropyd {

class TokenBucket {
 public:
  // Nano-bytes, not time.
  static constexpr int64_t kNanosPerByte = 1'000'000'000;
  // The sum of two of the largest buckets fits in int64: 2 x 4 GiB x 1e9 = 8.6e18 < 9.2e18.
  static constexpr uint64_t kMaxBurst = uint64_t{4} << 30;
  // The default burst, rate x 10 ms, of the largest rate is 2.56 GiB and fits below kMaxBurst.
  static constexpr uint64_t kMaxRate = uint64_t{256} << 30;

  // A bucket of rate 0, which is always empty.
  TokenBucket() = default;
  // Starts full; with rate 0 it is and stays empty.
  // REQUIRES: rate <= kMaxRate, burst <= kMaxBurst.
  TokenBucket(uint64_t rate, uint64_t burst)
      : rate_(static_cast<int64_t>(rate)),
        capacity_(static_cast<int64_t>(burst) * kNanosPerByte),
        tokens_(rate > 0 ? capacity_ : 0) {}

  // Adds what has flowed in since the last call. A time before that call adds nothing.
  void Fill(int64_t now_nanos) {
    const int64_t elapsed = now_nanos - filled_at_;
    if (elapsed <= 0) return;
    filled_at_ = now_nanos;
    // 64 bits would overflow after a second at 10 GiB/s.
    const __int128 filled = tokens_ + static_cast<__int128>(rate_) * elapsed;
    tokens_ = filled < capacity_ ? static_cast<int64_t>(filled) : capacity_;
  }

  // As of the last Fill().
  bool Holds(int64_t nano_bytes) const { return tokens_ >= nano_bytes; }

  // REQUIRES: Fill() was called for the time of the take, and the bucket holds `bytes`.
  void Take(uint32_t bytes) { tokens_ -= int64_t{bytes} * kNanosPerByte; }

  // Changes rate and burst. Keeps what it holds, as far as that fits.
  // REQUIRES: as the constructor; Fill() was called for the time of the change.
  void Change(uint64_t rate, uint64_t burst) {
    TokenBucket changed(rate, burst);
    changed.tokens_ = std::min(tokens_, changed.capacity_);
    changed.filled_at_ = filled_at_;
    *this = changed;
  }

  // Sets what the bucket held at `now_nanos`; at most its burst.
  void Restore(int64_t nano_tokens, int64_t now_nanos) {
    tokens_ = std::clamp<int64_t>(nano_tokens, 0, capacity_);
    filled_at_ = now_nanos;
  }

  // Time from the last Fill() until the bucket holds `nano_bytes`, rounded up.
  // REQUIRES: rate > 0, nano_bytes within the burst.
  int64_t NanosUntil(int64_t nano_bytes) const {
    return tokens_ >= nano_bytes ? 0 : (nano_bytes - tokens_ + rate_ - 1) / rate_;
  }

  // The time at which the bucket holds `nano_bytes`. REQUIRES: as NanosUntil().
  int64_t TimeOf(int64_t nano_bytes) const { return filled_at_ + NanosUntil(nano_bytes); }

  // Bytes per second.
  int64_t rate() const { return rate_; }
  // Bytes.
  uint64_t burst() const { return static_cast<uint64_t>(capacity_ / kNanosPerByte); }
  // Nano-bytes, as of the last Fill().
  int64_t nano_tokens() const { return tokens_; }

 private:
  int64_t rate_ = 0;       // bytes/s = nano-bytes/ns
  int64_t capacity_ = 0;   // nano-bytes
  int64_t tokens_ = 0;     // nano-bytes, 0..capacity_
  int64_t filled_at_ = 0;  // ns
};

}  // namespace entropyd
