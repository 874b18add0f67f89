#include "base/process/line_limit.h"

#include <utility>

namespace entropyd {

uint64_t LineBudget::Ask(int64_t now_nanos, uint32_t most) {
  ++untold_;
  if (rested(now_nanos)) {
    renewed_nanos_ = now_nanos + kEveryNanos;
    lines_ = 0;
  }
  if (lines_ >= most) return 0;
  ++lines_;
  return std::exchange(untold_, 0);
}

uint64_t LineLimit::Ask(absl::string_view key, int64_t now_nanos) {
  absl::MutexLock lock(&mutex_);
  auto it = keys_.find(key);
  if (it == keys_.end()) {
    if (keys_.size() >= kMaxKeys) {
      absl::erase_if(keys_,
                     [now_nanos](const auto& entry) { return entry.second.rested(now_nanos); });
    }
    it = keys_.try_emplace(keys_.size() < kMaxKeys ? std::string(key) : std::string()).first;
  }
  return it->second.Ask(now_nanos);
}

}  // namespace entropyd
