#include "base/telemetry/log.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/telemetry/journal_stream.h"
#include "base/telemetry/metrics.h"
#include "base/text/utf8.h"

namespace entropyd {
namespace {

// Peers choose some values (identities, class names). With two values of this length a line is
// still shorter than PIPE_BUF (4096), so lines of several processes on one pipe stay whole.
constexpr size_t kMaxValueBytes = 1536;

constexpr absl::string_view kReplacement = "\\ufffd";  // replaces bytes that are not UTF-8

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

// As syslog(3) numbers them.
absl::string_view JournalPriority(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "<7>";
    case LogLevel::kInfo:
      return "<6>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kError:
      return "<3>";
  }
  return "<6>";
}

// Appends a JSON string; logfmt quotes the same way. Nothing in it can end the line or control a
// terminal.
void AppendQuoted(absl::string_view text, std::string* out) {
  out->push_back('"');
  bool truncated = false;
  if (text.size() > kMaxValueBytes) {
    text = text.substr(0, kMaxValueBytes);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) {
      text.remove_suffix(1);  // not in the middle of a character
    }
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.remove_suffix(1);
    truncated = true;
  }
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const unsigned char c = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      out->append(kReplacement.data(), kReplacement.size());
    } else if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (PrintableLength(text) == 0) {
      *out += JsonEscape(FirstCharacter(text));
    } else {
      out->append(text.data(), length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  if (truncated) out->append("...");
  out->push_back('"');
}

bool IsPlain(absl::string_view text) {
  if (text.empty() || text.size() > kMaxValueBytes) return false;
  for (char c : text) {
    if (!absl::ascii_isgraph(c) || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

// What JSON accepts as a number: -?[0-9]+(.[0-9]+)?(e[+-]?[0-9]+)? without a leading zero.
bool IsJsonNumber(absl::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t start = i;
    while (i < text.size() && absl::ascii_isdigit(text[i])) ++i;
    return i - start;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const size_t whole = i;
  const size_t n = digits();
  if (n == 0 || (n > 1 && text[whole] == '0')) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && text[i] == 'e') {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

std::string LogfmtLine(absl::string_view time, LogLevel level, absl::string_view event,
                       Log::Fields fields) {
  std::string line = absl::StrCat("ts=", time, " level=", LevelName(level), " event=", event);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=");
    if (IsPlain(field.value)) {
      line += field.value;
    } else {
      AppendQuoted(field.value, &line);
    }
  }
  return line;
}

std::string JsonLine(absl::string_view time, LogLevel level, absl::string_view event,
                     Log::Fields fields) {
  std::string line = absl::StrCat("{\"ts\":\"", time, "\",\"level\":\"", LevelName(level),
                                  "\",\"event\":\"", event, "\"");
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",\"", field.key, "\":");
    const bool bare = field.literal && (field.value == "true" || field.value == "false" ||
                                        IsJsonNumber(field.value));
    if (bare) {
      line += field.value;
    } else {
      AppendQuoted(field.value, &line);
    }
  }
  line += "}";
  return line;
}

}  // namespace

Log::Log(const Clock* clock, int fd)
    : clock_(clock), to_journal_(LeadsToJournal(fd)), writer_(fd) {}

Log::~Log() { Flush(); }

void Log::Write(LogLevel level, absl::string_view event, Fields fields) {
  if (level < level_.load(std::memory_order_relaxed)) return;
  writer_.Put(Line(level, event, fields), [this](uint64_t count) { return Dropped(count); });
}

void Log::Flush() {
  writer_.Tell([this](uint64_t count) { return Dropped(count); });
  writer_.Flush(LogWriter::kEndPatience);
}

void Log::Export(Metrics* metrics) {
  Counter* const counter = metrics->AddCounter(
      "entropyd_log_dropped_lines_total",
      "Lines of the log that were dropped because stderr took no more, or could not be written.");
  refresher_ = metrics->AddRefresher(
      [this, counter] { Metrics::SetCounter(counter, static_cast<double>(writer_.dropped())); });
}

std::string Log::Line(LogLevel level, absl::string_view event, Fields fields) const {
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", clock_->WallTime(), absl::UTCTimeZone());
  const std::string line = format_.load(std::memory_order_relaxed) == LogFormat::kJson
                               ? JsonLine(time, level, event, fields)
                               : LogfmtLine(time, level, event, fields);
  return absl::StrCat(to_journal_ ? JournalPriority(level) : "", line, "\n");
}

std::string Log::Dropped(uint64_t count) const {
  return Line(LogLevel::kWarning, "log.dropped",
              {{"count", count}, {"remedy", "look at what reads stderr, or at its disk"}});
}

}  // namespace entropyd
