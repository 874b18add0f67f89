// Writes one structured line per event to stderr, as logfmt or JSON.
//
//   log.Info("source.quarantined", {{"source", name}, {"test", "rct"}, {"run", run}});
//   -> ts=2026-01-02T03:04:05.678Z level=info event=source.quarantined source=trng0 test=rct run=9
//
// An event is a noun and a past participle with a dot between. Never log bytes that were delivered.
// Events and keys are constants of the program. Values may come from strangers, so the log quotes
// them, escapes them, and cuts them at 1.5 KiB.
//
// A thread of the log's own writes. A caller never waits, even when nobody reads stderr. Lines for
// which there is no room are dropped and counted, and the next line that gets through tells them:
//
//   ts=… level=warning event=log.dropped count=812 remedy="…"
//
// Where stderr leads to systemd's journal, a line begins with its priority, which the journal takes
// off again: journalctl -p warning shows warnings and errors.
//
// Errors: none; a log that cannot be written has nowhere else to say so.
//
// Thread safety: safe. A line of up to PIPE_BUF (4 KiB) is written with one write(2).
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/process/clock.h"
#include "base/telemetry/log_writer.h"
#include "base/telemetry/metrics.h"

namespace entropyd {

enum class LogLevel { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };
enum class LogFormat { kLogfmt, kJson };

// A key and its value. Text is quoted where needed; numbers and booleans are not.
struct LogField {
  // Text.
  LogField(absl::string_view k, absl::string_view v) : key(k), value(v) {}
  LogField(absl::string_view k, const char* v) : key(k), value(v) {}
  LogField(absl::string_view k, const std::string& v) : key(k), value(v) {}
  // Numbers and booleans.
  template <typename T>
  requires std::is_arithmetic_v<T> LogField(absl::string_view k, T v)
      : key(k), value(Text(v)), literal(true) {}
  // "CODE: message".
  LogField(absl::string_view k, const absl::Status& v) : key(k), value(v.ToString()) {}
  // absl::Hex and what else absl::StrCat takes.
  LogField(absl::string_view k, absl::AlphaNum v) : key(k), value(v.Piece()) {}
  std::string key;
  std::string value;
  bool literal = false;  // a number or boolean: JSON writes it bare

 private:
  static std::string Text(bool v) { return v ? "true" : "false"; }
  template <typename T>
  static std::string Text(T v) {
    return absl::StrCat(v);
  }
};

class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  // Writes to `fd`, which must outlive the log.
  explicit Log(const Clock* clock, int fd = 2);
  // As Flush().
  virtual ~Log();

  // At first the format is logfmt and the level is info.
  void SetFormat(LogFormat format) { format_ = format; }
  void SetLevel(LogLevel level) { level_ = level; }

  void Debug(absl::string_view event, Fields fields = {}) {
    Write(LogLevel::kDebug, event, fields);
  }
  void Info(absl::string_view event, Fields fields = {}) { Write(LogLevel::kInfo, event, fields); }
  void Warning(absl::string_view event, Fields fields = {}) {
    Write(LogLevel::kWarning, event, fields);
  }
  void Error(absl::string_view event, Fields fields = {}) {
    Write(LogLevel::kError, event, fields);
  }

  // Writes nothing below the level that was set. Virtual, so that tests can look at events.
  virtual void Write(LogLevel level, absl::string_view event, Fields fields);

  // Waits until every line has left. Gives up after LogWriter::kEndPatience.
  void Flush();
  // Lines that were dropped since the start.
  uint64_t dropped() const { return writer_.dropped(); }
  // Shows them as entropyd_log_dropped_lines_total, until either ends.
  void Export(Metrics* metrics);

 private:
  std::string Line(LogLevel level, absl::string_view event, Fields fields) const;
  std::string Dropped(uint64_t count) const;

  const Clock* const clock_;
  const bool to_journal_;
  std::atomic<LogFormat> format_{LogFormat::kLogfmt};
  std::atomic<LogLevel> level_{LogLevel::kInfo};
  LogWriter writer_;
  MetricsRefresher refresher_;
};

}  // namespace entropyd
