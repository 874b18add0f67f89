#include "hostagent/feed/kernel_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

static_assert(sizeof(rand_pool_info) <= Feed::kHeadroom);

}  // namespace

absl::StatusOr<std::unique_ptr<KernelFeed>> KernelFeed::Open(Options options, ConnectionHost* host,
                                                             ServedClass* served_class,
                                                             KernelFeedCounters* counters) {
  UniqueFd fd(open(options.device.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    return ErrnoStatus(errno, absl::StrCat("feed the kernel: open ", options.device,
                                           " (allow the device, or remove feed_kernel)"));
  }
  return std::unique_ptr<KernelFeed>(
      new KernelFeed(std::move(options), std::move(fd), host, served_class, counters));
}

KernelFeed::KernelFeed(Options options, UniqueFd fd, ConnectionHost* host,
                       ServedClass* served_class, KernelFeedCounters* counters)
    : Feed(absl::StrCat("kernel:", options.device), host, served_class),
      options_(std::move(options)),
      fd_(std::move(fd)),
      counters_(counters),
      next_round_(host->loop, [this] { Begin(); }) {}

absl::Status KernelFeed::Start() {
  Join();
  Begin();
  return absl::OkStatus();
}

void KernelFeed::Begin() {
  due_ = options_.bytes;
  credited_ = 0;
  Touch();
  next_round_.Set(host()->loop->now_nanos() + options_.every_nanos);
}

void KernelFeed::Put(absl::Span<uint8_t> bytes) {
  due_ -= static_cast<uint32_t>(bytes.size());
  if (options_.credit_bits == 0) return Write(bytes);
  if (!options_.full_entropy || !options_.full_entropy()) {
    Withhold(Withheld::kQuality,
             absl::FailedPreconditionError("the class's pool is not of quality full"));
    return Write(bytes);
  }
  // When a round comes in pieces, each piece claims its part, and all together claim the whole.
  const uint64_t given = options_.bytes - due_;
  const uint32_t bits =
      static_cast<uint32_t>(options_.credit_bits * given / options_.bytes) - credited_;
  if (AddWithCredit(bytes, bits)) {
    credited_ += bits;
    counters_->bytes.Add(bytes.size());
    counters_->credited_bits.Add(bits);
    counters_->uncredited.Set(0);
    withheld_ = Withheld::kNothing;
    failing_ = false;
    counters_->failing.Set(0);
    return;
  }
  const absl::Status reason =
      ErrnoStatus(errno, absl::StrCat("credit ", bits, " bits to the kernel"));
  counters_->credit_refused.Add(1);
  Withhold(Withheld::kRefused, reason);
  Write(bytes);
}

bool KernelFeed::AddWithCredit(absl::Span<uint8_t> bytes, uint32_t bits) {
  uint8_t* const request = bytes.data() - sizeof(rand_pool_info);  // lies in the headroom
  const int header[2] = {static_cast<int>(bits), static_cast<int>(bytes.size())};
  static_assert(sizeof header == sizeof(rand_pool_info));
  std::memcpy(request, header, sizeof header);
  if (options_.add) return options_.add({request, sizeof header + bytes.size()});
  return ioctl(fd_.get(), RNDADDENTROPY, request) == 0;
}

void KernelFeed::Write(absl::Span<const uint8_t> bytes) {
  const ssize_t n = write(fd_.get(), bytes.data(), bytes.size());
  const bool failed = n != static_cast<ssize_t>(bytes.size());
  if (!failed) {
    counters_->bytes.Add(bytes.size());
  } else {
    counters_->failed_writes.Add(1);
    if (!failing_) {
      host()->log->Error(
          "kernel_feed.failed",
          {{"reason", ErrnoStatus(n < 0 ? errno : ENOSPC, absl::StrCat("write ", options_.device))},
           {"remedy", "tried again each time"}});
    }
  }
  failing_ = failed;
  counters_->failing.Set(failed ? 1 : 0);
}

// Logged when it begins, not each time.
void KernelFeed::Withhold(Withheld why, const absl::Status& reason) {
  counters_->uncredited.Set(1);
  if (withheld_ == why) return;
  withheld_ = why;
  host()->log->Warning("kernel_feed.not_credited",
                       {{"reason", reason},
                        {"remedy", why == Withheld::kQuality
                                       ? "feed from a class of a pool of quality full, or set "
                                         "feed_kernel.credit_bits to 0; written without credit"
                                       : "give the agent CAP_SYS_ADMIN, or set "
                                         "feed_kernel.credit_bits to 0; written without credit"}});
}

}  // namespace entropyd
