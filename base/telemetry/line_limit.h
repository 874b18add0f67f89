// Keeps lines of the log few when strangers can cause them: for each key one line in ten seconds,
// which tells how many events it stands for.
//
//   const LineCount count = limit.Ask(absl::StrCat(identity, reason), clock->NowNanos());
//   if (count > 0) log->Warning("agent.denied", {..., {count.key(), count.events}});
//
// Metrics count every event; the log tells what they were.
//
// When there are too many keys, the key whose last event is oldest is forgotten. So a key that
// comes often stays, and is named with its own count. Then a key that comes once has no line of its
// own: all such keys share one line in ten seconds. It names the one that came just then, and
// counts the others with it (`count_and_others`).
//
// Errors: none.
//
// Thread safety: LineLimit is safe; a LineBudget has one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
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

  // An event. 0 = no line; else a line for this many events, this one and those since the last line
  // that had none. `most` lines may come within kEveryNanos.
  uint64_t Ask(int64_t now_nanos, uint32_t most = 1);
  // True when the next event has a line, however many came before.
  bool rested(int64_t now_nanos) const { return now_nanos >= renewed_nanos_; }
  // There is no line before kEveryNanos have passed.
  void Rest(int64_t now_nanos);
  // The events that had no line.
  uint64_t untold() const { return untold_; }

 private:
  // From when on there may be lines again.
  int64_t renewed_nanos_ = 0;
  // Those since then.
  uint32_t lines_ = 0;
  uint64_t untold_ = 0;
};

// How many events a line stands for.
struct LineCount {
  // 0 = no line.
  uint64_t events = 0;
  // Some of them had other keys, for which there was no room.
  bool others = false;

  // The key of a log's field.
  const char* key() const { return others ? "count_and_others" : "count"; }
  operator uint64_t() const { return events; }  // NOLINT: a count is a number
};

class LineLimit {
 public:
  static constexpr int64_t kEveryNanos = LineBudget::kEveryNanos;
  // Keys come from strangers.
  static constexpr size_t kMaxKeys = 1024;

  // An event of `key`. A line counts this event and those since the last line that had none.
  LineCount Ask(absl::string_view key, int64_t now_nanos);

 private:
  struct Key {
    std::string name;
    LineBudget lines;
  };
  using Keys = std::list<Key>;

  // Makes room for a key. Returns whether the one that went had its line long ago.
  bool DropOldest(int64_t now_nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  // The one that was heard last is the last.
  Keys keys_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<absl::string_view, Keys::iterator> by_name_ ABSL_GUARDED_BY(mutex_);
  // Newcomers share its lines while keys that were heard just now have to go for them.
  LineBudget newcomers_ ABSL_GUARDED_BY(mutex_);
  // Events of keys that went, which no line has told.
  uint64_t others_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace entropyd
