// Keeps lines of the log few when strangers can cause them: for each key one line in ten seconds,
// which tells how many events it stands for.
//
//   const uint64_t count = limit.Ask(absl::StrCat(identity, reason), clock->NowNanos());
//   if (count > 0) log->Warning("agent.denied", {..., {"count", count}});
//
// Metrics count every event; the log tells what they were.
//
// Errors: none.
//
// Thread safety: LineLimit is safe; a LineBudget has one owner.
#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/process/nanos.h"

namespace entropyd {

// The lines of one key.
class LineBudget {
 public:
  // From one line that is the first to the next one.
  static constexpr int64_t kEveryNanos = 10 * kSecondNanos;

  // An event. 0 = no line; else a line for so many events, this one and those since the last line
  // that had none. `most` lines may come within kEveryNanos.
  uint64_t Ask(int64_t now_nanos, uint32_t most = 1);
  // True when the next event has a line, however many came before.
  bool rested(int64_t now_nanos) const { return now_nanos >= renewed_nanos_; }

 private:
  // From when on there may be lines again.
  int64_t renewed_nanos_ = 0;
  // Those since then.
  uint32_t lines_ = 0;
  uint64_t untold_ = 0;
};

class LineLimit {
 public:
  static constexpr int64_t kEveryNanos = LineBudget::kEveryNanos;
  // Keys come from strangers. When there are so many, those that have been silent go, and what is
  // left shares the key "".
  static constexpr size_t kMaxKeys = 1024;

  // An event of `key`. 0 = no line; else a line for so many events, this one and those since the
  // last line that had none.
  uint64_t Ask(absl::string_view key, int64_t now_nanos);

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, LineBudget> keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
