#include "base/text/wrap_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace entropyd {
namespace {

// Characters of UTF-8 text without wide or combining ones.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::vector<std::string> WrapText(absl::string_view text, size_t columns) {
  std::vector<std::string> lines;
  for (absl::string_view paragraph : absl::StrSplit(text, '\n')) {
    lines.emplace_back();
    for (absl::string_view word : absl::StrSplit(paragraph, ' ', absl::SkipEmpty())) {
      if (!lines.back().empty() && Width(lines.back()) + 1 + Width(word) > columns) {
        lines.emplace_back();
      }
      absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", word);
    }
  }
  return lines;
}

}  // namespace entropyd
