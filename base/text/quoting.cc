#include "base/text/quoting.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace entropyd {
namespace {

// No shell gives these a meaning within a word.
bool NeedsNoQuotes(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::string_view("_-./:,+=@%").find(c) != absl::string_view::npos;
}

}  // namespace

std::string ShellWord(absl::string_view text) {
  if (!text.empty() && std::all_of(text.begin(), text.end(), NeedsNoQuotes))
    return std::string(text);
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string QemuValue(absl::string_view value) { return absl::StrReplaceAll(value, {{",", ",,"}}); }

std::string XmlAttribute(absl::string_view value) {
  return absl::StrReplaceAll(
      value, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&apos;"}, {"\"", "&quot;"}});
}

}  // namespace entropyd
