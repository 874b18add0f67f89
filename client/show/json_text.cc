#include "client/show/json_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/json_util.h"

namespace entropyd {

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        // DEL, too: a terminal may obey it.
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
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

std::string JsonOf(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  // Fails only for Any and for strings that are not UTF-8. These messages have neither.
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "null";
  return json;
}

}  // namespace entropyd
