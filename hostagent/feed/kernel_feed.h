// Feeds the kernel of this host: at each interval it writes some bytes of a class to /dev/urandom,
// which puts them into the kernel's input pool. The kernel hashes in whatever it gets, so this can
// only add.
//
//   auto feed = KernelFeed::Open({.bytes = 64, .every_nanos = minute, .credit_bits = 0}, &host,
//                                served_class, &counters).value();
//   feed->Start();
//
// Written bytes are credited with nothing. With `credit_bits` they go by ioctl RNDADDENTROPY
// instead, and the kernel counts them. That matters until it has 256 bits, once after boot. A claim
// must not be more than is there. So the feed claims only while the class's pool is of quality
// `full`, by the server's own word. Bytes of a `drbg` pool, or of the local fallback, all come from
// one seed. Also the kernel accepts a claim from CAP_SYS_ADMIN only. Otherwise the feed writes the
// bytes without credit, and the log says why.
//
// The first bytes go at start, the next after every interval. If the class cannot give them in
// time, they go later. The feed does not make up for rounds that it missed.
//
// Errors: of the device, from Open(). Later failures are counted and logged.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/process/fd.h"
#include "hostagent/feed/feed.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

struct KernelFeedCounters {
  // Given to this host's kernel.
  LoopNumber bytes;
  LoopNumber credited_bits;
  LoopNumber failed_writes;
  LoopNumber credit_refused;
  // 1 when the last write failed, else 0.
  LoopNumber failing;
  // 1 when the last bytes that should be credited were not, for any reason, else 0.
  LoopNumber uncredited;
};

class KernelFeed final : public Feed {
 public:
  struct Options {
    // Each time; kMaxPut at most.
    uint32_t bytes = 64;
    int64_t every_nanos = 0;
    // The claim for them; 8 * bytes at most.
    uint32_t credit_bits = 0;
    // Takes writes and RNDADDENTROPY.
    std::string device = "/dev/urandom";
    // Whether the class's bytes have full entropy; absent = they have not.
    std::function<bool()> full_entropy;
    // Hands a rand_pool_info to the kernel; false = errno tells why not. Absent = RNDADDENTROPY.
    std::function<bool(absl::Span<const uint8_t> request)> add;
  };

  // Errors: of the device.
  static absl::StatusOr<std::unique_ptr<KernelFeed>> Open(Options options, ConnectionHost* host,
                                                          ServedClass* served_class,
                                                          KernelFeedCounters* counters);
  absl::Status Start() override;

 private:
  // Why bytes that should be credited are not.
  enum class Withheld { kNothing, kQuality, kRefused };

  KernelFeed(Options options, UniqueFd fd, ConnectionHost* host, ServedClass* served_class,
             KernelFeedCounters* counters);
  uint64_t Room() const override { return due_; }
  void Put(absl::Span<uint8_t> bytes) override;
  void Begin();
  bool AddWithCredit(absl::Span<uint8_t> bytes, uint32_t bits);
  void Write(absl::Span<const uint8_t> bytes);
  void Withhold(Withheld why, const absl::Status& reason);

  const Options options_;
  const UniqueFd fd_;
  KernelFeedCounters* const counters_;
  Timer next_round_;
  // Bytes of this round still to be given.
  uint32_t due_ = 0;
  // Bits of this round so far.
  uint32_t credited_ = 0;
  Withheld withheld_ = Withheld::kNothing;
  // The last write failed.
  bool failing_ = false;
};

}  // namespace entropyd
