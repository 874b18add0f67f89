// JSON out: objects built key by key, and protobuf messages.
//
//   JsonObject json;
//   json.Set("bytes", uint64_t{64}).Set("name", "demo");
//   json.ToString()   // {"bytes":64,"name":"demo"}
//
// Thread safety: none of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace entropyd {

// With quotes and escapes; bytes that are not UTF-8 pass as they are.
std::string JsonString(absl::string_view text);

class JsonObject {
 public:
  JsonObject& Set(absl::string_view key, absl::string_view value);
  JsonObject& Set(absl::string_view key, const char* value);
  JsonObject& Set(absl::string_view key, uint64_t value);
  JsonObject& Set(absl::string_view key, double value);  // null when it is no finite number
  JsonObject& Set(absl::string_view key, bool value);
  // `json` is written as it is: an object, an array, null.
  JsonObject& SetRaw(absl::string_view key, absl::string_view json);
  std::string ToString() const;

 private:
  std::string body_;
};

std::string JsonArray(const std::vector<std::string>& elements);

// A message by protobuf's JSON mapping, with the field names of the .proto and every field present.
// 64-bit integers are strings there, as that mapping has it.
std::string JsonOf(const google::protobuf::Message& message);

}  // namespace entropyd
