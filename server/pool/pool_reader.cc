// The readers' side of EntropyPool.
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto/kernel_random.h"
#include "server/pool/block_statistic.h"
#include "server/pool/entropy_pool.h"

namespace entropyd {
namespace {

// So many bytes of getrandom(2) go into every generate call. The kernel learns of a restored or
// forked virtual machine, user space does not, and a snapshot must not repeat its output.
constexpr size_t kFreshBytes = 32;

class FreshBytes {
 public:
  // Errors: INTERNAL; on Linux the call cannot fail once the kernel's generator is seeded.
  absl::Status Fill() {
    if (FillFromKernel(absl::MakeSpan(bytes_))) return absl::OkStatus();
    return absl::InternalError("getrandom failed");
  }
  ~FreshBytes() { Cleanse(absl::MakeSpan(bytes_)); }
  absl::Span<const uint8_t> span() const { return bytes_; }

 private:
  std::array<uint8_t, kFreshBytes> bytes_{};
};

}  // namespace

class EntropyPool::Reader final : public PoolReader {
 public:
  Reader(EntropyPool* pool, std::unique_ptr<CtrDrbg> child, uint64_t number)
      : pool_(pool), number_(number), child_(std::move(child)) {}

  absl::StatusOr<uint64_t> Read(absl::Span<uint8_t> out, uint64_t epoch) override {
    absl::Status status = Fill(out, epoch);
    // Ask again at the end: the sources may have failed while the bytes were made.
    if (status.ok() && pool_->published_.epoch != epoch)
      status = pool_->Admit(epoch, pool_->clock_->NowNanos());
    if (!status.ok()) {
      Cleanse(out);
      if (absl::IsInternal(status)) pool_->Fail(status.message());
      return status;
    }
    pool_->CountDelivered(out.size());
    pool_->counters_.Count(statistic_.Feed(out));
    return generation_;
  }

 private:
  absl::Status Fill(absl::Span<uint8_t> out, uint64_t epoch) {
    const int64_t now = pool_->clock_->NowNanos();
    if (absl::Status status = pool_->Admit(epoch, now); !status.ok()) return status;
    if (child_ == nullptr) return absl::InternalError("create DRBG: OpenSSL refused");
    if (!child_->instantiated() || generation_ != pool_->published_.generation ||
        calls_ >= kCallsPerChildSeed || now - seeded_at_ >= pool_->published_.reseed_interval) {
      if (absl::Status status = pool_->SeedChild(child_.get(), number_, &generation_);
          !status.ok()) {
        return status;
      }
      calls_ = 0;
      seeded_at_ = now;
    }
    ++calls_;
    FreshBytes fresh;
    if (absl::Status status = fresh.Fill(); !status.ok()) return status;
    if (absl::Status status = child_->Generate(out, fresh.span()); !status.ok()) return status;
    if (pool_->quality() == v1::QUALITY_FULL) return pool_->TakeStored(out);
    return absl::OkStatus();
  }

  EntropyPool* const pool_;
  const uint64_t number_;
  const std::unique_ptr<CtrDrbg> child_;
  uint64_t generation_ = 0;  // of the root, when the child was seeded last
  uint32_t calls_ = 0;       // since then
  int64_t seeded_at_ = 0;
  BlockStatistic statistic_;  // on what was delivered
};

std::unique_ptr<PoolReader> EntropyPool::NewReader() {
  absl::StatusOr<std::unique_ptr<CtrDrbg>> child = CtrDrbg::Create(provider_);
  return std::make_unique<Reader>(this, child.ok() ? *std::move(child) : nullptr,
                                  ++counters_.readers);
}

absl::Status EntropyPool::Admit(uint64_t epoch, int64_t now) const {
  if (published_.epoch != epoch) {
    return absl::AbortedError(
        absl::StrCat("read pool ", name(), ": its sources failed since the bytes were planned"));
  }
  if (now < published_.ready_until && published_.bytes_since_seed < max_bytes_per_seed_) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat("read pool ", name(), ": ", State().Text()));
}

absl::Status EntropyPool::SeedChild(CtrDrbg* child, uint64_t reader, uint64_t* generation) {
  FreshBytes fresh;
  if (absl::Status status = fresh.Fill(); !status.ok()) return status;
  std::array<uint8_t, CtrDrbg::kSeedBytes> seed;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (!root_->seeded()) {
      return absl::UnavailableError(absl::StrCat("read pool ", name(), ": no seed"));
    }
    status = root_->Generate(absl::MakeSpan(seed), fresh.span());
    *generation = published_.generation;
  }
  if (status.ok()) {
    status = child->instantiated() ? child->Reseed(seed, {})
                                   : child->Instantiate(seed, absl::StrCat("reader ", reader));
  }
  Cleanse(absl::MakeSpan(seed));
  ++counters_.reader_seeds;
  return status;
}

absl::Status EntropyPool::TakeStored(absl::Span<uint8_t> out) {
  bool was_full;
  {
    absl::MutexLock lock(&mutex_);
    if (store_->bytes() < out.size()) {
      return absl::UnavailableError(absl::StrCat("read pool ", name(), ": ", store_->bytes(),
                                                 " bytes stored, ", out.size(), " asked for"));
    }
    was_full = store_->full();
    store_->XorOut(out);
  }
  if (was_full && wake_callback_) wake_callback_();
  return absl::OkStatus();
}

void EntropyPool::CountDelivered(size_t bytes) {
  counters_.delivered_bytes += bytes;
  const uint64_t before = published_.bytes_since_seed.fetch_add(bytes);
  if (before < kReseedBytes && before + bytes >= kReseedBytes && wake_callback_) wake_callback_();
}

}  // namespace entropyd
