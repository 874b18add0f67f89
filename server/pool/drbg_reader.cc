#include "server/pool/drbg_reader.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "base/crypto/kernel_random.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

// This many bytes of getrandom(2) go into every generate call. The kernel learns of a restored or
// forked virtual machine, user space does not, and a snapshot must not repeat its output.
constexpr size_t kFreshBytes = 32;

class FreshBytes {
 public:
  // Errors: INTERNAL; on Linux the call cannot fail once the kernel's generator is seeded.
  absl::Status Fill() {
    if (FillFromKernel(absl::MakeSpan(bytes_))) return absl::OkStatus();
    return absl::InternalError("getrandom failed");
  }
  ~FreshBytes() { Wipe(absl::MakeSpan(bytes_)); }
  absl::Span<const uint8_t> span() const { return bytes_; }

 private:
  std::array<uint8_t, kFreshBytes> bytes_{};
};

}  // namespace

absl::StatusOr<uint64_t> DrbgReader::Read(absl::Span<uint8_t> out, uint64_t epoch) {
  absl::Status status = Fill(out, epoch);
  // Ask again at the end: the sources may have failed while the bytes were made.
  if (status.ok() && host_->published().epoch != epoch) status = Admit(epoch, clock_->NowNanos());
  if (!status.ok()) {
    Wipe(out);
    if (absl::IsInternal(status)) host_->Fail(status.message());
    return status;
  }
  host_->CountDelivered(out.size(), statistic_.Feed(out));
  return generation_;
}

absl::Status DrbgReader::Admit(uint64_t epoch, int64_t now) const {
  const PublishedState& published = host_->published();
  if (published.epoch != epoch) {
    return absl::AbortedError(absl::StrCat("read pool ", pool_->name(),
                                           ": its sources failed since the bytes were planned"));
  }
  if (now < published.ready_until && published.bytes_since_seed < published.max_bytes_per_seed) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("read pool ", pool_->name(), ": ", pool_->State().Text()));
}

absl::Status DrbgReader::Fill(absl::Span<uint8_t> out, uint64_t epoch) {
  const int64_t now = clock_->NowNanos();
  if (absl::Status status = Admit(epoch, now); !status.ok()) return status;
  if (child_ == nullptr) return absl::InternalError("create DRBG: OpenSSL refused");
  const PublishedState& published = host_->published();
  if (!child_->instantiated() || generation_ != published.generation || calls_ >= kCallsPerSeed ||
      now - seeded_at_ >= published.reseed_interval) {
    if (absl::Status status = Seed(now); !status.ok()) return status;
  }
  ++calls_;
  FreshBytes fresh;
  if (absl::Status status = fresh.Fill(); !status.ok()) return status;
  if (absl::Status status = child_->Generate(out, fresh.span()); !status.ok()) return status;
  if (pool_->quality() == v1::QUALITY_FULL) return host_->TakeStored(out);
  return absl::OkStatus();
}

absl::Status DrbgReader::Seed(int64_t now) {
  FreshBytes fresh;
  if (absl::Status status = fresh.Fill(); !status.ok()) return status;
  std::array<uint8_t, CtrDrbg::kSeedBytes> seed;
  const absl::StatusOr<uint64_t> generation = host_->DrawSeed(absl::MakeSpan(seed), fresh.span());
  absl::Status status = generation.status();
  if (status.ok()) {
    status = child_->instantiated() ? child_->Reseed(seed, {})
                                    : child_->Instantiate(seed, absl::StrCat("reader ", number_));
  }
  Wipe(absl::MakeSpan(seed));
  if (!status.ok()) return status;
  generation_ = *generation;
  calls_ = 0;
  seeded_at_ = now;
  return absl::OkStatus();
}

}  // namespace entropyd
