#include "base/config/config_values.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/config/units.h"

namespace entropyd::config {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A parsed value; an enum is its number.
using Value = std::variant<bool, int64_t, uint64_t, double, std::string>;

constexpr size_t kLongestText = 4096;         // PATH_MAX: most texts are paths
constexpr size_t kLongestWord = 64;           // numbers, sizes, names of enumerators
constexpr char kFormatVersion[] = "version";  // of a state file; no configuration has such a key

absl::Status Invalid(absl::string_view text, absl::string_view complaint) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' ", complaint));
}

// -?(0|[1-9][0-9]*): YAML 1.1 would read 010 as eight and 1_000 as a thousand.
bool IsCanonicalInteger(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsCanonicalDecimal(absl::string_view text) {
  const size_t dot = text.find('.');
  if (dot == absl::string_view::npos) return IsCanonicalInteger(text);
  const absl::string_view fraction = text.substr(dot + 1);
  return IsCanonicalInteger(text.substr(0, dot)) && !fraction.empty() &&
         std::all_of(fraction.begin(), fraction.end(), absl::ascii_isdigit);
}

// A format's version is only too large when another program has written the file.
absl::Status TooLarge(const FieldDescriptor* field, absl::string_view text,
                      absl::string_view most) {
  if (field->name() == kFormatVersion) {
    return Invalid(text,
                   absl::StrCat("was written by a newer entropyd; this one reads version ", most));
  }
  return Invalid(text, absl::StrCat("is too large; the most is ", most));
}

// What the type cannot hold is out of the rule's range, too, and the user learns the rule's bound.
template <typename T>
absl::StatusOr<Value> ParseInteger(const FieldDescriptor* field, absl::string_view text) {
  const v1::FieldRule& rule = RuleOf(field);
  if (!IsCanonicalInteger(text)) {
    return Invalid(text, "is not a whole number; write plain decimal digits, e.g. 10");
  }
  T value;
  if (absl::SimpleAtoi(text, &value)) {
    if constexpr (std::numeric_limits<T>::is_signed) {
      return Value(static_cast<int64_t>(value));
    } else {
      return Value(static_cast<uint64_t>(value));
    }
  }
  const auto bound = [](const std::string& ruled, T of_type) {
    return ruled.empty() ? absl::StrCat(of_type) : ruled;
  };
  using Limits = std::numeric_limits<T>;
  if (absl::StartsWith(text, "-")) {
    return Invalid(text,
                   absl::StrCat("is too small; the least is ", bound(rule.min(), Limits::min())));
  }
  return TooLarge(field, text, bound(rule.max(), Limits::max()));
}

absl::StatusOr<Value> ParseDouble(absl::string_view text) {
  double value;
  if (!IsCanonicalDecimal(text) || !absl::SimpleAtod(text, &value)) {
    return Invalid(text, "is not a number; write plain decimal digits, e.g. 0.5");
  }
  return Value(value);
}

absl::StatusOr<Value> ParseBool(absl::string_view text) {
  if (text == "true") return Value(true);
  if (text == "false") return Value(false);
  return Invalid(text, "is not true or false");
}

std::string PrefixOf(const EnumDescriptor* type) {
  return std::string(absl::StripSuffix(type->value(0)->name(), "UNSPECIFIED"));
}

std::string NameOf(const EnumValueDescriptor* value) {
  return absl::AsciiStrToLower(absl::StripPrefix(value->name(), PrefixOf(value->type())));
}

absl::StatusOr<Value> ParseEnum(const EnumDescriptor* type, absl::string_view text) {
  for (int i = 1; i < type->value_count(); ++i) {
    if (text == NameOf(type->value(i))) return Value(int64_t{type->value(i)->number()});
  }
  const std::vector<std::string> names = EnumNames(type);
  return Invalid(
      text, absl::StrCat("is not one of ", absl::StrJoin(names, ", "), DidYouMean(text, names)));
}

absl::StatusOr<Value> FromUnit(absl::StatusOr<uint64_t> parsed) {
  if (!parsed.ok()) return parsed.status();
  return Value(*parsed);
}

// Whether quotes are a mistake for this field: YAML has types, and quotes make a string.
bool MustBePlain(const FieldDescriptor* field) {
  if (RuleOf(field).unit() != v1::UNIT_NONE) return false;
  return field->cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
         field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM;
}

absl::StatusOr<Value> ParseValue(const FieldDescriptor* field, absl::string_view text) {
  switch (RuleOf(field).unit()) {
    case v1::UNIT_BYTES:
      return FromUnit(ParseSize(text));
    case v1::UNIT_BYTES_PER_SECOND:
      return FromUnit(ParseRate(text));
    case v1::UNIT_DURATION:
      return FromUnit(ParseDuration(text));
    default:
      break;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return ParseBool(text);
    case FieldDescriptor::CPPTYPE_INT32:
      return ParseInteger<int32_t>(field, text);
    case FieldDescriptor::CPPTYPE_INT64:
      return ParseInteger<int64_t>(field, text);
    case FieldDescriptor::CPPTYPE_UINT32:
      return ParseInteger<uint32_t>(field, text);
    case FieldDescriptor::CPPTYPE_UINT64:
      return ParseInteger<uint64_t>(field, text);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ParseDouble(text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ParseEnum(field->enum_type(), text);
    case FieldDescriptor::CPPTYPE_STRING:
      return Value(std::string(text));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return absl::InternalError(absl::StrCat(field->full_name(), " is not a scalar"));
}

absl::Status CheckRange(const FieldDescriptor* field, absl::string_view text, const Value& value) {
  const v1::FieldRule& rule = RuleOf(field);
  if (!rule.min().empty()) {
    absl::StatusOr<Value> min = ParseValue(field, rule.min());
    if (!min.ok()) return min.status();
    if (value < *min) return Invalid(text, absl::StrCat("is too small; the least is ", rule.min()));
  }
  if (!rule.max().empty()) {
    absl::StatusOr<Value> max = ParseValue(field, rule.max());
    if (!max.ok()) return max.status();
    if (*max < value) return TooLarge(field, text, rule.max());
  }
  return absl::OkStatus();
}

void Store(const Value& value, const FieldDescriptor* field, Message* message) {
  const Reflection* r = message->GetReflection();
  const bool add = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: {
      const bool v = std::get<bool>(value);
      return add ? r->AddBool(message, field, v) : r->SetBool(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      const auto v = static_cast<int32_t>(std::get<int64_t>(value));
      return add ? r->AddInt32(message, field, v) : r->SetInt32(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t v = std::get<int64_t>(value);
      return add ? r->AddInt64(message, field, v) : r->SetInt64(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const auto v = static_cast<uint32_t>(std::get<uint64_t>(value));
      return add ? r->AddUInt32(message, field, v) : r->SetUInt32(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t v = std::get<uint64_t>(value);
      return add ? r->AddUInt64(message, field, v) : r->SetUInt64(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      const auto v = static_cast<float>(std::get<double>(value));
      return add ? r->AddFloat(message, field, v) : r->SetFloat(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double v = std::get<double>(value);
      return add ? r->AddDouble(message, field, v) : r->SetDouble(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto v = static_cast<int>(std::get<int64_t>(value));
      return add ? r->AddEnumValue(message, field, v) : r->SetEnumValue(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string& v = std::get<std::string>(value);
      return add ? r->AddString(message, field, v) : r->SetString(message, field, v);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

// Edits (insert, delete, replace, swap of neighbours) between two words.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

const v1::FieldRule& RuleOf(const FieldDescriptor* field) {
  return field->options().GetExtension(v1::rule);
}

absl::Status SetScalar(absl::string_view text, bool quoted, const FieldDescriptor* field,
                       Message* message) {
  const bool is_text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  const size_t longest = is_text ? kLongestText : kLongestWord;
  if (text.size() > longest) {
    return absl::InvalidArgumentError(
        absl::StrCat("a value of ", text.size(), " bytes is too long; the most is ", longest));
  }
  if (std::any_of(text.begin(), text.end(), absl::ascii_iscntrl)) {
    return Invalid(text, "contains a control character; remove it");
  }
  if (quoted && MustBePlain(field)) {
    return Invalid(text, "is text; write it without quotes");
  }
  absl::StatusOr<Value> value = ParseValue(field, text);
  if (!value.ok()) return value.status();
  absl::Status in_range = CheckRange(field, text, *value);
  if (in_range.ok()) Store(*value, field, message);
  return in_range;
}

std::string TypeName(const FieldDescriptor* field) {
  switch (RuleOf(field).unit()) {
    case v1::UNIT_BYTES:
      return "size";
    case v1::UNIT_BYTES_PER_SECOND:
      return "rate";
    case v1::UNIT_DURATION:
      return "duration";
    default:
      break;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("one of ", absl::StrJoin(EnumNames(field->enum_type()), ", "));
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "keys";
    default:
      return "whole number";
  }
}

std::vector<std::string> EnumNames(const EnumDescriptor* type) {
  std::vector<std::string> names;
  for (int i = 1; i < type->value_count(); ++i) names.push_back(NameOf(type->value(i)));
  return names;
}

std::string DidYouMean(absl::string_view wrong, const std::vector<std::string>& candidates) {
  // One typing mistake in three letters is still the same word. The bound on the length keeps the
  // quadratic cost of a hostile key small.
  constexpr size_t kLongestKey = 64;
  if (wrong.size() > kLongestKey) return "";
  const std::string lower = absl::AsciiStrToLower(wrong);
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, wrong.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(lower, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : absl::StrCat("; did you mean '", *best, "'?");
}

}  // namespace entropyd::config
