// Writes JSON: objects key by key.
//
//   JsonObject json;
//   json.Set("bytes", uint64_t{64}).Set("name", "demo");
//   json.ToString()   // {"bytes":64,"name":"demo"}
//
// Errors: none.
//
// Thread safety: a JsonObject belongs to one thread at a time; the functions are safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd {

// A JSON string with quotes and escapes. Each byte that is not UTF-8 becomes U+FFFD.
std::string JsonString(absl::string_view text);

// Keys come out in the order of the calls. The caller sets each key once.
class JsonObject {
 public:
  JsonObject& Set(absl::string_view key, absl::string_view value);
  JsonObject& Set(absl::string_view key, const char* value);
  JsonObject& Set(absl::string_view key, uint64_t value);
  JsonObject& Set(absl::string_view key, double value);  // null when it is not finite
  JsonObject& Set(absl::string_view key, bool value);
  // Writes `json` as it is: an object, an array, null.
  JsonObject& SetRaw(absl::string_view key, absl::string_view json);
  std::string ToString() const;

 private:
  std::string body_;
};

// Each element is JSON already.
std::string JsonArray(const std::vector<std::string>& elements);

}  // namespace entropyd
