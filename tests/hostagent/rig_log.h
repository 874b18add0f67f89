// A log for tests that read what was logged.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"

namespace entropyd {

// A log that writes nothing and remembers "LEVEL EVENT KEY=VALUE …".
class RigLog final : public Log {
 public:
  explicit RigLog(const Clock* clock) : Log(clock, -1) {}
  void Write(LogLevel level, absl::string_view event, Fields fields) override {
    constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
    std::string line = absl::StrCat(kNames[static_cast<int>(level)], " ", event);
    for (const LogField& field : fields) absl::StrAppend(&line, " ", field.key, "=", field.value);
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines() const {
    absl::MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
