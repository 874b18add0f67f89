#include "hostagent/upstream/backoff.h"

#include <algorithm>
#include <memory>
#include <random>

namespace entropyd {
namespace {

// 1 s * 2^5 is above the cap already. To count further would overflow the shift after days.
constexpr int kMaxDoublings = 5;

}  // namespace

int64_t Backoff::ceiling_nanos() const {
  return std::min(kCapNanos, kBaseNanos << std::min(failures_, kMaxDoublings));
}

int64_t Backoff::NextNanos() {
  const int64_t ceiling = ceiling_nanos();
  ++failures_;
  return static_cast<int64_t>(uniform_() * static_cast<double>(ceiling));
}

std::function<double()> RandomUniform() {
  std::random_device seed;
  auto engine = std::make_shared<std::mt19937_64>(uint64_t{seed()} << 32 | seed());
  return [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
}

}  // namespace entropyd
