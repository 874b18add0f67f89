#include "hostagent/config_changes.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/message_differencer.h"

namespace entropyd {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Elements = std::map<std::string, const Message*>;

// The keys that say where something is, of which an element has one.
constexpr const char* kPlaces[] = {"path", "listen", "fifo"};

// What tells an element from its like: the key of a map's, the place of a listener.
std::string NameOf(const Message& element, int index) {
  const google::protobuf::Descriptor* const type = element.GetDescriptor();
  if (const FieldDescriptor* key = type->map_key()) {
    return element.GetReflection()->GetString(element, key);
  }
  std::string place;
  for (const char* name : kPlaces) {
    const FieldDescriptor* field = type->FindFieldByName(name);
    if (field != nullptr)
      absl::StrAppend(&place, element.GetReflection()->GetString(element, field));
  }
  return place.empty() ? absl::StrCat(index) : place;
}

// The elements of a repeated field of messages, by name.
Elements ElementsOf(const Message& message, const FieldDescriptor* field) {
  Elements elements;
  const google::protobuf::Reflection* const reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& element = reflection->GetRepeatedMessage(message, field, i);
    elements[NameOf(element, i)] = &element;
  }
  return elements;
}

class Comparison {
 public:
  // What is not in the file counts as if it were there with no value.
  void Compare(const std::string& prefix, const Message& before, const Message& after) {
    for (int i = 0; i < before.GetDescriptor()->field_count(); ++i) {
      CompareField(prefix, before, after, before.GetDescriptor()->field(i));
    }
  }
  std::vector<std::string> Take() { return std::move(changes_); }

 private:
  void CompareField(const std::string& prefix, const Message& before, const Message& after,
                    const FieldDescriptor* field) {
    const std::string name = absl::StrCat(prefix, field->name());
    const bool message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (message && field->is_repeated()) {
      return CompareElements(name, ElementsOf(before, field), ElementsOf(after, field));
    }
    if (message) {
      return Compare(name + ".", before.GetReflection()->GetMessage(before, field),
                     after.GetReflection()->GetMessage(after, field));
    }
    google::protobuf::util::MessageDifferencer differencer;
    if (!differencer.CompareWithFields(before, after, {field}, {field})) {
      changes_.push_back(name + " changed");
    }
  }

  void CompareElements(const std::string& name, const Elements& before, const Elements& after) {
    for (const auto& [element, message] : before) {
      const std::string at = absl::StrCat(name, "[", element, "]");
      const auto there = after.find(element);
      if (there == after.end()) {
        changes_.push_back(at + " removed");
      } else if (const FieldDescriptor* value = message->GetDescriptor()->map_value()) {
        Compare(at + ".", message->GetReflection()->GetMessage(*message, value),
                there->second->GetReflection()->GetMessage(*there->second, value));
      } else {
        Compare(at + ".", *message, *there->second);
      }
    }
    for (const auto& [element, message] : after) {
      if (before.count(element) == 0)
        changes_.push_back(absl::StrCat(name, "[", element, "] added"));
    }
  }

  std::vector<std::string> changes_;
};

}  // namespace

std::vector<std::string> ConfigChanges(const config::v1::HostAgent& before,
                                       const config::v1::HostAgent& after) {
  Comparison comparison;
  comparison.Compare("", before, after);
  return comparison.Take();
}

}  // namespace entropyd
