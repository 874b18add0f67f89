// Answers of servers and agents as JSON, and the list of what is in them (docs/json.md).
//
//   JsonOf(answer)                  // {"sources":[{"name":"trng0","raw_bytes":11712,…}]}
//   JsonKeys(answer.descriptor())   // {"sources[].name: text", …}
//
// A key is the field's name in the .proto, in the plural for a list. A field with its default value
// is there, too; a message that is not set is left out. Numbers are numbers, and null where they
// are infinite or NaN. Names of enums are those of the .proto.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace entropyd {

std::string JsonOf(const google::protobuf::Message& message);

// The elements of the message's only list, as a JSON array.
std::string JsonListOf(const google::protobuf::Message& message);

// "KEY: what its value is", in the order of JsonOf(). No message holds one of its own kind.
std::vector<std::string> JsonKeys(const google::protobuf::Descriptor* descriptor);

}  // namespace entropyd
