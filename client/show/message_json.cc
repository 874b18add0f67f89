#include "client/show/message_json.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/show/json_text.h"

namespace entropyd {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Names of lists that have no other plural.
constexpr absl::string_view kPlurals[] = {"history", "needs_restart", "passed", "undone"};

std::string KeyOf(const FieldDescriptor& field) {
  const std::string& name = field.name();
  if (!field.is_repeated() || absl::c_linear_search(kPlurals, name)) return name;
  if (absl::EndsWith(name, "ss")) return name + "es";
  return absl::EndsWith(name, "s") ? name : name + "s";
}

// The shortest number that is read as the same one.
std::string Number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

// The value of `field`; of a list the element `index`, else `index` is -1.
std::string FieldJson(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& in = *message.GetReflection();
  const auto of = [&](auto single, auto element) {
    return index < 0 ? (in.*single)(message, field) : (in.*element)(message, field, index);
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(of(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(of(&Reflection::GetInt64, &Reflection::GetRepeatedInt64));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(of(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(of(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Number(of(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Number(of(&Reflection::GetFloat, &Reflection::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_BOOL:
      return of(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return JsonString(of(&Reflection::GetEnum, &Reflection::GetRepeatedEnum)->name());
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = of(&Reflection::GetString, &Reflection::GetRepeatedString);
      return JsonString(field->type() == FieldDescriptor::TYPE_BYTES ? absl::BytesToHexString(text)
                                                                     : text);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return JsonOf(index < 0 ? in.GetMessage(message, field)
                              : in.GetRepeatedMessage(message, field, index));
  }
  return "null";
}

std::string ListOf(const Message& message, const FieldDescriptor* field) {
  std::vector<std::string> elements;
  const int size = message.GetReflection()->FieldSize(message, field);
  elements.reserve(static_cast<size_t>(size));
  for (int i = 0; i < size; ++i) elements.push_back(FieldJson(message, field, i));
  return JsonArray(elements);
}

const char* KindOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "number";
    case FieldDescriptor::CPPTYPE_STRING:
      return field.type() == FieldDescriptor::TYPE_BYTES ? "hexadecimal digits" : "text";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "one of ";
    default:
      return "whole number";
  }
}

std::string ValuesOf(const google::protobuf::EnumDescriptor& values) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(values.value_count()));
  for (int i = 0; i < values.value_count(); ++i) names.push_back(values.value(i)->name());
  return absl::StrJoin(names, ", ");
}

}  // namespace

std::string JsonOf(const Message& message) {
  JsonObject json;
  const Descriptor& fields = *message.GetDescriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    const FieldDescriptor* const field = fields.field(i);
    if (field->is_repeated()) {
      json.SetRaw(KeyOf(*field), ListOf(message, field));
    } else if (!field->has_presence() || message.GetReflection()->HasField(message, field)) {
      json.SetRaw(KeyOf(*field), FieldJson(message, field, -1));
    }
  }
  return json.ToString();
}

std::string JsonListOf(const Message& message) {
  const Descriptor& fields = *message.GetDescriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i)->is_repeated()) return ListOf(message, fields.field(i));
  }
  return "[]";
}

std::vector<std::string> JsonKeys(const Descriptor* descriptor) {
  std::vector<std::string> keys;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const std::string key = absl::StrCat(KeyOf(field), field.is_repeated() ? "[]" : "");
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      for (const std::string& below : JsonKeys(field.message_type())) {
        keys.push_back(absl::StrCat(key, ".", below));
      }
      continue;
    }
    keys.push_back(absl::StrCat(key, ": ", KindOf(field),
                                field.enum_type() == nullptr ? "" : ValuesOf(*field.enum_type())));
  }
  return keys;
}

}  // namespace entropyd
