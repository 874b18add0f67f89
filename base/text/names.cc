#include "base/text/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text/utf8.h"

namespace entropyd {
namespace {

// Enough to know which text it was.
constexpr size_t kExcerptBytes = 64;

bool Fits(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; }

// Escapes what is not printable, quotes and backslashes.
std::string Escape(absl::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const size_t length = PrintableLength(text);
    if (length > 1) {
      escaped.append(text.data(), length);
    } else {
      escaped += absl::CHexEscape(text.substr(0, 1));
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return escaped;
}

absl::Status CheckLength(absl::string_view text) {
  if (text.size() <= kMaxPoolNameBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Excerpt(text), " is longer than ", kMaxPoolNameBytes, " bytes"));
}

}  // namespace

absl::Status CheckName(absl::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("it is empty");
  if (absl::Status length = CheckLength(name); !length.ok()) return length;
  absl::string_view bad = name;
  while (!bad.empty() && Fits(bad[0])) bad.remove_prefix(1);
  if (bad.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Excerpt(name), " has the character '",
                   Escape(bad.substr(0, std::max<size_t>(1, PrintableLength(bad)))),
                   "'; use letters, digits, '-', '_' and '.'"));
}

bool IsPoolClass(absl::string_view name) {
  const size_t slash = name.find('/');
  return slash != absl::string_view::npos && CheckName(name.substr(0, slash)).ok() &&
         CheckName(name.substr(slash + 1)).ok();
}

absl::StatusOr<std::pair<std::string, std::string>> SplitPoolClass(absl::string_view name) {
  const size_t slash = name.find('/');
  if (slash == absl::string_view::npos || slash == 0 || slash + 1 == name.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is no POOL/CLASS; write e.g. default/gold"));
  }
  return std::make_pair(std::string(name.substr(0, slash)), std::string(name.substr(slash + 1)));
}

absl::Status CheckText(absl::string_view text) {
  if (absl::Status length = CheckLength(text); !length.ok()) return length;
  for (absl::string_view rest = text; !rest.empty();) {
    const size_t length = PrintableLength(rest);
    if (length == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(Excerpt(text), " has a control character, or is no UTF-8"));
    }
    rest.remove_prefix(length);
  }
  return absl::OkStatus();
}

absl::Status CheckUtf8(absl::string_view text) {
  for (absl::string_view rest = text; !rest.empty();) {
    const size_t length = Utf8Length(rest);
    if (length == 0)
      return absl::InvalidArgumentError(absl::StrCat(Excerpt(text), " is not UTF-8"));
    rest.remove_prefix(length);
  }
  return absl::OkStatus();
}

std::string EscapeControls(absl::string_view text, absl::string_view kept) {
  std::string escaped;
  while (!text.empty()) {
    const bool keep = absl::StrContains(kept, text[0]);
    const size_t length = keep ? 1 : PrintableLength(text);
    if (length > 0) {
      escaped.append(text.data(), length);
    } else {
      escaped += absl::CHexEscape(text.substr(0, 1));
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return escaped;
}

std::string Excerpt(absl::string_view text) {
  if (text.size() <= kExcerptBytes) return absl::StrCat("'", Escape(text), "'");
  return absl::StrCat("'", Escape(text.substr(0, kExcerptBytes)), "…' (", text.size(), " bytes)");
}

}  // namespace entropyd
