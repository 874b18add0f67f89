#include "base/text/utf8.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace entropyd {
namespace {

// First and last, in order.
constexpr char32_t kNotPrintable[][2] = {
    {0x0000, 0x001f},    // C0
    {0x007f, 0x009f},    // DEL, C1
    {0x061c, 0x061c},    // Arabic letter mark
    {0x115f, 0x1160},    // Hangul fillers
    {0x180b, 0x180e},    // Mongolian selectors and separator
    {0x200b, 0x200b},    // zero width space
    {0x200e, 0x200f},    // left-to-right and right-to-left marks
    {0x2028, 0x202e},    // line and paragraph separators, embeddings and overrides
    {0x2060, 0x206f},    // word joiner, isolates, invisible operators
    {0x3164, 0x3164},    // Hangul filler
    {0xfeff, 0xfeff},    // byte order mark
    {0xffa0, 0xffa0},    // halfwidth Hangul filler
    {0xfff0, 0xfffb},    // interlinear annotations
    {0xe0000, 0xe0fff},  // tags
};

}  // namespace

size_t Utf8Length(absl::string_view text) {
  const auto at = [&](size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  unsigned low = 0x80, high = 0xbf;  // of the second byte
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;   // overlong
    if (lead == 0xed) high = 0x9f;  // surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;   // overlong
    if (lead == 0xf4) high = 0x8f;  // beyond U+10FFFF
  }
  if (length == 0 || text.size() < length || at(1) < low || at(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return length;
}

char32_t FirstCharacter(absl::string_view text) {
  const size_t length = Utf8Length(text);
  const auto at = [&](size_t i) -> char32_t { return static_cast<unsigned char>(text[i]); };
  if (length <= 1) return at(0);
  char32_t c = at(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (at(i) & 0x3f);
  return c;
}

size_t PrintableLength(absl::string_view text) {
  const size_t length = Utf8Length(text);
  if (length == 0) return 0;
  const char32_t c = FirstCharacter(text);
  for (const auto& [first, last] : kNotPrintable) {
    if (c < first) break;
    if (c <= last) return 0;
  }
  return length;
}

std::string JsonEscape(char32_t c) {
  if (c <= 0xffff) return absl::StrFormat("\\u%04x", static_cast<uint32_t>(c));
  const uint32_t above = static_cast<uint32_t>(c) - 0x10000;
  return absl::StrFormat("\\u%04x\\u%04x", 0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
}

absl::string_view CutUtf8(absl::string_view text, size_t most) {
  if (text.size() <= most) return text;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  // A character has at most three bytes after its first. More of them are no UTF-8, and stay.
  size_t end = most;
  while (end > 0 && most - end < 3 && continues(text[end])) --end;
  return text.substr(0, continues(text[end]) ? most : end);
}

std::string ReplaceInvalidUtf8(absl::string_view text) {
  constexpr absl::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
  std::string valid;
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    absl::StrAppend(&valid, length == 0 ? kReplacement : text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

}  // namespace entropyd
