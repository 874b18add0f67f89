#include "hostagent/serving/kept_seed.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace entropyd {

absl::Status KeptSeed::Allocate(SecretArena* arena) {
  for (SecretBytes* bytes : {&bytes_, &mixed_}) {
    auto allocated = arena->Allocate(CtrDrbg::kSeedBytes);
    if (!allocated.ok()) return allocated.status();
    *bytes = *std::move(allocated);
  }
  return absl::OkStatus();
}

size_t KeptSeed::SetAside(absl::Span<const uint8_t> bytes, int64_t now_nanos) {
  if (complete()) {
    if (now_nanos - since_ < kMaxAgeNanos || bytes.size() < CtrDrbg::kSeedBytes) return 0;
    fill_ = 0;
  }
  const size_t n = std::min(bytes.size(), CtrDrbg::kSeedBytes - fill_);
  std::memcpy(bytes_.data() + fill_, bytes.data(), n);
  fill_ += n;
  if (complete()) since_ = now_nanos;
  return n;
}

absl::Status KeptSeed::Instantiate(CtrDrbg* drbg,
                                   const std::function<bool(absl::Span<uint8_t>)>& kernel,
                                   absl::string_view personalization) {
  if (!kernel(mixed_.span())) {
    return absl::UnavailableError("seed DRBG: the kernel gave no bytes");
  }
  for (size_t i = 0; i < CtrDrbg::kSeedBytes; ++i) mixed_.data()[i] ^= bytes_.data()[i];
  absl::Status status = drbg->Instantiate(mixed_.span(), personalization);
  Wipe(mixed_.span());
  Forget();
  return status;
}

void KeptSeed::Forget() {
  Wipe(bytes_.span());
  fill_ = 0;
}

}  // namespace entropyd
