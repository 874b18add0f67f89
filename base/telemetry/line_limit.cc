#include "base/telemetry/line_limit.h"

#include <iterator>
#include <limits>
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

void LineBudget::Rest(int64_t now_nanos) {
  renewed_nanos_ = now_nanos + kEveryNanos;
  lines_ = std::numeric_limits<uint32_t>::max();
}

LineCount LineLimit::Ask(absl::string_view key, int64_t now_nanos) {
  absl::MutexLock lock(&mutex_);
  const auto known = by_name_.find(key);
  if (known != by_name_.end()) {
    keys_.splice(keys_.end(), keys_, known->second);
    return {known->second->lines.Ask(now_nanos)};
  }
  const bool crowded = keys_.size() >= kMaxKeys && !DropOldest(now_nanos);
  Key& newcomer = keys_.emplace_back();
  newcomer.name = std::string(key);
  by_name_.emplace(newcomer.name, std::prev(keys_.end()));
  // It has a line of its own when it is still there after ten seconds.
  if (crowded) newcomer.lines.Rest(now_nanos);
  if (crowded && newcomers_.Ask(now_nanos) == 0) return {newcomer.lines.Ask(now_nanos)};
  if (!crowded) newcomer.lines.Ask(now_nanos);
  const uint64_t others = std::exchange(others_, 0);
  return {1 + others, others > 0};
}

bool LineLimit::DropOldest(int64_t now_nanos) {
  const LineBudget& oldest = keys_.front().lines;
  const bool rested = oldest.rested(now_nanos);
  others_ += oldest.untold();
  by_name_.erase(keys_.front().name);
  keys_.pop_front();
  return rested;
}

}  // namespace entropyd
