// Turns the text of one configuration value into the type and unit that the rule of its field asks
// for, and checks its range. Part of base/config/config.h.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "proto/config_options.pb.h"

namespace entropyd::config {

// The option `rule` of the field; the default rule when it has none.
const v1::FieldRule& RuleOf(const google::protobuf::FieldDescriptor* field);

// Parses `text` and sets `field` to it; adds it when the field is repeated. `quoted` tells a YAML
// string from a plain scalar: "8" in quotes is no number.
// Errors: INVALID_ARGUMENT with what is wrong and what to write, without a position.
absl::Status SetScalar(absl::string_view text, bool quoted,
                       const google::protobuf::FieldDescriptor* field,
                       google::protobuf::Message* message);

// What a person may write: "size", "true or false", "char_device, rdrand or getrandom".
std::string TypeName(const google::protobuf::FieldDescriptor* field);

// The names that an enum field takes: lower case, without the prefix of the enum, without
// UNSPECIFIED.
std::vector<std::string> EnumNames(const google::protobuf::EnumDescriptor* type);

// "; did you mean 'servers'?" when a candidate is near enough to `wrong`, else "".
std::string DidYouMean(absl::string_view wrong, const std::vector<std::string>& candidates);

}  // namespace entropyd::config
