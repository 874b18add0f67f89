// Feeds the kernel of this host: every so often some bytes of a class into its input pool, by
// writing them to /dev/urandom. The kernel hashes in whatever it is given: this can only add.
//
//   auto feed = KernelFeed::Open({.bytes = 64, .every_nanos = minute, .credit_bits = 0}, &host,
//                                served_class, &counters).value();
//   feed->Start();
//
// Written bytes are credited with nothing. With `credit_bits` they go by ioctl RNDADDENTROPY
// instead, and the kernel counts them; what matters until it has 256 bits, once after boot. A claim
// must not be more than is there, so it is made only while the class's pool is of quality `full`,
// by the server's own word: bytes of a `drbg` pool, or of this host's own when the server is gone,
// all come from one seed. And the kernel takes it from CAP_SYS_ADMIN only. Otherwise the bytes are
// written without credit, and the log says why.
//
// The first bytes go at start, the next after every interval; a class that cannot give them sooner
// gives them later, and what was missed is not made up for.
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
  LoopNumber bytes;  // given to this host's kernel
  LoopNumber credited_bits;
  LoopNumber failed_writes;
  LoopNumber credit_refused;
};

class KernelFeed final : public Feed {
 public:
  struct Options {
    uint32_t bytes = 64;  // each time; kMaxPut at most
    int64_t every_nanos = 0;
    uint32_t credit_bits = 0;             // claimed for them; 8 * bytes at most
    std::string device = "/dev/urandom";  // takes writes and RNDADDENTROPY
    std::function<bool()> full_entropy;   // of the class's bytes; absent = they have not
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
  uint32_t due_ = 0;       // bytes of this round still to be given
  uint32_t credited_ = 0;  // bits of this round so far
  Withheld withheld_ = Withheld::kNothing;
  bool failing_ = false;  // the last write failed
};

}  // namespace entropyd
