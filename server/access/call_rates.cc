#include "server/access/call_rates.h"

#include <algorithm>
#include <utility>

#include "base/process/nanos.h"

namespace entropyd {

void CallRates::SetLimit(uint32_t calls_per_second) {
  absl::MutexLock lock(&mutex_);
  // What was owed by the old limit says nothing about the new one.
  if (std::exchange(limit_, calls_per_second) != calls_per_second) done_nanos_.clear();
}

uint32_t CallRates::limit() const {
  absl::MutexLock lock(&mutex_);
  return limit_;
}

bool CallRates::Take(absl::string_view identity, int64_t now_nanos) {
  absl::MutexLock lock(&mutex_);
  const int64_t each_nanos = kSecondNanos / limit_;
  auto it = done_nanos_.find(identity);
  if (it == done_nanos_.end()) {
    if (done_nanos_.size() >= forget_at_) {
      absl::erase_if(done_nanos_, [now_nanos](const auto& one) { return one.second <= now_nanos; });
      forget_at_ = std::max(kMaxRemembered, 2 * done_nanos_.size());
    }
    it = done_nanos_.emplace(identity, now_nanos).first;
  }
  const int64_t done_nanos = std::max(it->second, now_nanos) + each_nanos;
  if (done_nanos > now_nanos + kBurstSeconds * kSecondNanos) return false;
  it->second = done_nanos;
  return true;
}

}  // namespace entropyd
