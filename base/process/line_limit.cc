#include "base/process/line_limit.h"

namespace entropyd {

uint64_t LineLimit::Ask(absl::string_view key, int64_t now_nanos) {
  absl::MutexLock lock(&mutex_);
  auto it = keys_.find(key);
  if (it == keys_.end()) {
    if (keys_.size() >= kMaxKeys) {
      absl::erase_if(keys_, [now_nanos](const auto& entry) {
        return now_nanos >= entry.second.next_line_nanos;
      });
    }
    it = keys_.try_emplace(keys_.size() < kMaxKeys ? std::string(key) : std::string()).first;
  }
  Key& state = it->second;
  ++state.untold;
  if (now_nanos < state.next_line_nanos) return 0;
  state.next_line_nanos = now_nanos + kEveryNanos;
  const uint64_t count = state.untold;
  state.untold = 0;
  return count;
}

}  // namespace entropyd
