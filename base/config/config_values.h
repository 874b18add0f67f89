// Scalars of a configuration: text to the type, unit and range that a field's rule asks for. Part
// of base/config.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "proto/config_options.pb.h"

namespace entropyd::config {

const v1::FieldRule& RuleOf(const google::protobuf::FieldDescriptor* field);

// Parses `text` for `field` and sets it (or adds it, when the field is repeated). `quoted` tells a
// YAML string from a plain scalar: "8" in quotes is no number. Errors: INVALID_ARGUMENT with what
// is wrong and what to write, without a position.
absl::Status SetScalar(absl::string_view text, bool quoted,
                       const google::protobuf::FieldDescriptor* field,
                       google::protobuf::Message* message);

// What may be written, for people: "size", "true or false", "char_device, rdrand or getrandom".
std::string TypeName(const google::protobuf::FieldDescriptor* field);

// The names an enum field takes: lower case, without the prefix of the enum, without UNSPECIFIED.
std::vector<std::string> EnumNames(const google::protobuf::EnumDescriptor* type);

// "; did you mean 'servers'?" when a candidate is near enough to `wrong`, else "".
std::string DidYouMean(absl::string_view wrong, const std::vector<std::string>& candidates);

}  // namespace entropyd::config
