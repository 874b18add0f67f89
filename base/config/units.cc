#include "base/config/units.h"

#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

struct Unit {
  absl::string_view name;
  uint64_t factor;
};

constexpr Unit kSizeUnits[] = {{"B", 1},
                               {"KiB", uint64_t{1} << 10},
                               {"MiB", uint64_t{1} << 20},
                               {"GiB", uint64_t{1} << 30},
                               {"TiB", uint64_t{1} << 40}};
constexpr Unit kDurationUnits[] = {
    {"ms", kMillisecondNanos}, {"s", kSecondNanos}, {"m", kMinuteNanos}, {"h", kHourNanos}};

// The rest of the code keeps and subtracts these values as int64.
constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
// More digits than int64 holds must be a mistake; 18 + 9 of them times 2^42 fit into 128 bits.
constexpr size_t kMaxWholeDigits = 18;
constexpr size_t kMaxFractionDigits = 9;

// "12.25KiB" in its parts. `whole` is empty when it does not begin with a canonical decimal number.
struct Quantity {
  absl::string_view whole;
  absl::string_view fraction;
  absl::string_view number;  // whole, dot and fraction as written
  absl::string_view unit;
};

absl::string_view TakeDigits(absl::string_view* text) {
  size_t n = 0;
  while (n < text->size() && absl::ascii_isdigit((*text)[n])) ++n;
  absl::string_view digits = text->substr(0, n);
  text->remove_prefix(n);
  return digits;
}

Quantity Split(absl::string_view text) {
  Quantity q;
  absl::string_view rest = text;
  absl::string_view whole = TakeDigits(&rest);
  if (whole.empty() || (whole.size() > 1 && whole[0] == '0')) return q;
  if (absl::ConsumePrefix(&rest, ".")) {
    q.fraction = TakeDigits(&rest);
    if (q.fraction.empty()) return q;
  }
  q.whole = whole;
  q.number = text.substr(0, text.size() - rest.size());
  q.unit = rest;
  return q;
}

uint64_t DigitsToInt(absl::string_view digits) {
  uint64_t value = 0;
  for (char c : digits) value = value * 10 + static_cast<uint64_t>(c - '0');
  return value;
}

const Unit* FindUnit(absl::Span<const Unit> units, absl::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

absl::Status WholeError(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a whole number of ", what, "; write a smaller unit"));
}

// The number of base units in `q`, whose unit is `unit`.
absl::StatusOr<uint64_t> Scale(const Quantity& q, const Unit& unit, absl::string_view text,
                               absl::string_view what) {
  absl::string_view fraction = q.fraction;
  while (absl::ConsumeSuffix(&fraction, "0")) {
  }
  if (fraction.size() > kMaxFractionDigits) return WholeError(text, what);
  absl::Status too_large = absl::InvalidArgumentError(absl::StrCat("'", text, "' is too large"));
  if (q.whole.size() > kMaxWholeDigits) return too_large;
  uint64_t denominator = 1;
  for (size_t i = 0; i < fraction.size(); ++i) denominator *= 10;
  const absl::uint128 scaled =
      (absl::uint128(DigitsToInt(q.whole)) * denominator + DigitsToInt(fraction)) * unit.factor;
  if (scaled % denominator != 0) return WholeError(text, what);
  const absl::uint128 value = scaled / denominator;
  if (value > kLargest) return too_large;
  return absl::Uint128Low64(value);
}

// The unit that was probably meant: KiB for KB, kb and K; B for none.
absl::string_view GuessSizeUnit(absl::string_view unit) {
  if (unit.empty() || absl::EqualsIgnoreCase(unit, "b")) return "B";
  switch (absl::ascii_tolower(unit[0])) {
    case 'k':
      return "KiB";
    case 'm':
      return "MiB";
    case 'g':
      return "GiB";
    case 't':
      return "TiB";
    default:
      return "";
  }
}

absl::string_view GuessDurationUnit(absl::string_view unit) {
  if (unit.empty()) return "s";
  if (absl::EqualsIgnoreCase(unit, "ms") || absl::StartsWithIgnoreCase(unit, "milli")) return "ms";
  switch (absl::ascii_tolower(unit[0])) {
    case 's':
      return "s";
    case 'm':
      return "m";
    case 'h':
      return "h";
    default:
      return "";
  }
}

absl::Status NotA(absl::string_view text, absl::string_view what, absl::string_view number,
                  absl::string_view unit, absl::string_view suffix, absl::string_view fallback) {
  const std::string example =
      number.empty() || unit.empty() ? std::string(fallback) : absl::StrCat(number, unit, suffix);
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a ", what, "; write e.g. ", example));
}

// "1.5" and "2", never "2.0".
std::string OneDecimal(double value) {
  std::string text = absl::StrFormat("%.1f", value);
  if (absl::EndsWith(text, ".0")) text.resize(text.size() - 2);
  return text;
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  const Quantity q = Split(text);
  if (q.number == "0" && q.unit.empty()) return 0;
  const Unit* unit = q.whole.empty() ? nullptr : FindUnit(kSizeUnits, q.unit);
  if (unit != nullptr) return Scale(q, *unit, text, "bytes");
  return NotA(text, "size", q.number, GuessSizeUnit(absl::StripAsciiWhitespace(q.unit)), "",
              "64KiB");
}

absl::StatusOr<uint64_t> ParseRate(absl::string_view text) {
  const Quantity q = Split(text);
  if (q.number == "0" && q.unit.empty()) return 0;
  absl::string_view name = q.unit;
  const bool per_second = absl::ConsumeSuffix(&name, "/s");
  const Unit* unit = q.whole.empty() || !per_second ? nullptr : FindUnit(kSizeUnits, name);
  if (unit != nullptr) return Scale(q, *unit, text, "bytes per second");
  return NotA(text, "rate", q.number, GuessSizeUnit(absl::StripAsciiWhitespace(name)), "/s",
              "8KiB/s");
}

absl::StatusOr<uint64_t> ParseDuration(absl::string_view text) {
  const Quantity q = Split(text);
  if (q.number == "0" && q.unit.empty()) return 0;
  const Unit* unit = q.whole.empty() ? nullptr : FindUnit(kDurationUnits, q.unit);
  if (unit != nullptr) return Scale(q, *unit, text, "nanoseconds");
  return NotA(text, "duration", q.number, GuessDurationUnit(absl::StripAsciiWhitespace(q.unit)), "",
              "30s");
}

std::string FormatSize(double bytes) {
  static constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (!(bytes > 0)) return "0 B";
  size_t i = 0;
  // 1023.95 would print as 1024.0, so it gets the next unit.
  while (i + 1 < std::size(kNames) && bytes >= (i == 0 ? 1023.5 : 1023.95)) {
    bytes /= 1024;
    ++i;
  }
  return absl::StrCat(i == 0 ? absl::StrFormat("%.0f", bytes) : OneDecimal(bytes), " ", kNames[i]);
}

std::string FormatRate(double bytes_per_second) {
  return absl::StrCat(FormatSize(bytes_per_second), "/s");
}

std::string FormatDuration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 0.9995e-3) return absl::StrFormat("%.0f us", seconds * 1e6);
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", seconds * 1e3);
  if (seconds < 59.95) return absl::StrCat(OneDecimal(seconds), " s");
  if (seconds > 1e15) return "for ever";
  const int64_t s = std::llround(seconds);
  if (s < 3600) return absl::StrFormat("%dm %ds", s / 60, s % 60);
  if (s < 86400) return absl::StrFormat("%dh %dm", s / 3600, s / 60 % 60);
  return absl::StrFormat("%dd %dh", s / 86400, s / 3600 % 24);
}

}  // namespace entropyd
