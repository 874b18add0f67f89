#include "client/show/json_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/text/utf8.h"

namespace entropyd {

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  const std::string valid = ReplaceInvalidUtf8(text);
  for (absl::string_view left = valid; !left.empty();) {
    const size_t length = Utf8Length(left);
    const char c = left[0];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (PrintableLength(left) == 0) {
      out += JsonEscape(FirstCharacter(left));  // a terminal may obey it
    } else {
      absl::StrAppend(&out, left.substr(0, length));
    }
    left.remove_prefix(length);
  }
  out += '"';
  return out;
}

JsonObject& JsonObject::SetRaw(absl::string_view key, absl::string_view json) {
  absl::StrAppend(&body_, body_.empty() ? "" : ",", JsonString(key), ":", json);
  return *this;
}

JsonObject& JsonObject::Set(absl::string_view key, absl::string_view value) {
  return SetRaw(key, JsonString(value));
}
JsonObject& JsonObject::Set(absl::string_view key, const char* value) {
  return SetRaw(key, JsonString(value));
}
JsonObject& JsonObject::Set(absl::string_view key, uint64_t value) {
  return SetRaw(key, absl::StrCat(value));
}
JsonObject& JsonObject::Set(absl::string_view key, double value) {
  // Six digits after the point are microseconds; that is enough for every figure here.
  return SetRaw(key, std::isfinite(value) ? absl::StrFormat("%.6f", value) : "null");
}
JsonObject& JsonObject::Set(absl::string_view key, bool value) {
  return SetRaw(key, value ? "true" : "false");
}

std::string JsonObject::ToString() const { return absl::StrCat("{", body_, "}"); }

std::string JsonArray(const std::vector<std::string>& elements) {
  return absl::StrCat("[", absl::StrJoin(elements, ","), "]");
}

}  // namespace entropyd
