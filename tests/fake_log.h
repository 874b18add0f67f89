// The one log for tests that do not test the log: it writes nothing, and remembers each line as
// "LEVEL EVENT KEY=VALUE …".
//
// Thread safety: safe.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"

namespace entropyd {

class FakeLog final : public Log {
 public:
  explicit FakeLog(const Clock* clock) : Log(clock, -1) {}
  void Write(LogLevel level, absl::string_view event, Fields fields) override {
    constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
    std::string line = absl::StrCat(kNames[static_cast<int>(level)], " ", event);
    for (const LogField& field : fields) absl::StrAppend(&line, " ", field.key, "=", field.value);
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
    events_.emplace_back(event);
  }

  std::vector<std::string> lines() const {
    absl::MutexLock lock(&mutex_);
    return lines_;
  }
  // The events of the lines, without anything else.
  std::vector<std::string> events() const {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  int Count(absl::string_view event) const {
    absl::MutexLock lock(&mutex_);
    return static_cast<int>(std::count(events_.begin(), events_.end(), event));
  }
  // Of lines with these words.
  int CountWith(absl::string_view words) const {
    absl::MutexLock lock(&mutex_);
    return static_cast<int>(
        std::count_if(lines_.begin(), lines_.end(),
                      [words](const std::string& line) { return absl::StrContains(line, words); }));
  }
  // Waits for a line with these words; "" when none comes.
  std::string Await(const std::string& words) {
    std::string found;
    const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const std::string& line : lines_) {
        if (absl::StrContains(line, words)) found = line;
      }
      return !found.empty();
    };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&is_there), absl::Seconds(20));
    return found;
  }
  // Forgets what was logged.
  void Clear() {
    absl::MutexLock lock(&mutex_);
    lines_.clear();
    events_.clear();
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
