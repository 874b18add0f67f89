// config::Describe: the skeleton of a configuration file, from the schema alone.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/config.h"
#include "base/config/config_values.h"
#include "base/text/wrap_text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace entropyd::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr size_t kCommentColumn = 40;  // nearly all keys and values fit before it

// How the next line is written. A commented line has "# " before its indentation, so that removing
// the "# " leaves correct YAML.
struct Style {
  int indent = 0;
  bool commented = false;
  bool first_of_item = false;  // the line carries the "- " of a list item

  Style Nested(bool comment_out) const {
    return {.indent = indent + 2, .commented = commented || comment_out};
  }
};

bool IsMessage(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// A middling value of the field's unit and type.
std::string Example(const FieldDescriptor* field) {
  switch (RuleOf(field).unit()) {
    case v1::UNIT_BYTES:
      return "64KiB";
    case v1::UNIT_BYTES_PER_SECOND:
      return "64KiB/s";
    case v1::UNIT_DURATION:
      return "30s";
    default:
      break;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumNames(field->enum_type()).front();
    case FieldDescriptor::CPPTYPE_STRING:
      return "TEXT";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "1";
    default:
      return "0";
  }
}

// A value that the field takes: its default, when it has one. The least that it takes would be a
// bad example: a user who switches the key on would be throttled, or hold nothing.
std::string Placeholder(const FieldDescriptor* field) {
  const v1::FieldRule& rule = RuleOf(field);
  if (!rule.default_value().empty()) return rule.default_value();
  std::string example = Example(field);
  const std::unique_ptr<google::protobuf::Message> scratch(
      google::protobuf::MessageFactory::generated_factory()
          ->GetPrototype(field->containing_type())
          ->New());
  return SetScalar(example, false, field, scratch.get()).ok() ? example : rule.min();
}

// "size, 4KiB to 4MiB, default 256KiB: credit per channel"
std::string Comment(const FieldDescriptor* field) {
  const v1::FieldRule& rule = RuleOf(field);
  std::vector<std::string> parts;
  if (field->is_map()) {
    parts.push_back("by name");
  } else if (field->is_repeated()) {
    parts.push_back(IsMessage(field) ? "list" : absl::StrCat("list of ", TypeName(field)));
  } else if (!IsMessage(field)) {
    parts.push_back(TypeName(field));
  }
  if (rule.required()) parts.push_back("required");
  if (!rule.min().empty() && !rule.max().empty()) {
    parts.push_back(absl::StrCat(rule.min(), " to ", rule.max()));
  } else if (!rule.min().empty()) {
    parts.push_back(absl::StrCat("at least ", rule.min()));
  } else if (!rule.max().empty()) {
    parts.push_back(absl::StrCat("at most ", rule.max()));
  }
  std::string comment = absl::StrJoin(parts, ", ");
  if (!rule.help().empty()) absl::StrAppend(&comment, comment.empty() ? "" : ": ", rule.help());
  return comment;
}

class Describer {
 public:
  void Explain() {
    out_ +=
        "## Keys without a # have their defaults here, or are required. Keys behind a\n"
        "## # are off: their values are examples, and their comments say what holds\n"
        "## without them.\n";
  }

  void Fields(const Descriptor* type, Style style) {
    for (int i = 0; i < type->field_count(); ++i) {
      Field(type->field(i), style);
      style.first_of_item = false;
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  void Field(const FieldDescriptor* field, Style style) {
    const v1::FieldRule& rule = RuleOf(field);
    // Lines without "# " are what the file does as it stands: required keys and defaults.
    const bool on = rule.required() || !rule.default_value().empty();
    const bool leave_out = !on && !style.first_of_item;
    Style line = style;
    line.commented |= leave_out;
    const Style nested = style.Nested(leave_out);
    if (field->is_map()) {
      Line(line, field->name(), "", Comment(field));
      Line(nested, "NAME", "", "");
      Fields(field->message_type()->map_value()->message_type(), nested.Nested(false));
    } else if (field->is_repeated() && IsMessage(field)) {
      Line(line, field->name(), "", Comment(field));
      Style item = nested.Nested(false);
      item.first_of_item = true;
      Fields(field->message_type(), item);
    } else if (IsMessage(field)) {
      Line(line, field->name(), "", Comment(field));
      Fields(field->message_type(), nested);
    } else if (field->is_repeated()) {
      Line(line, field->name(), absl::StrCat("[", Placeholder(field), "]"), Comment(field));
    } else {
      Line(line, field->name(), on || leave_out ? Value(field) : Placeholder(field),
           Comment(field));
    }
  }

  static std::string Value(const FieldDescriptor* field) {
    const std::string value = Placeholder(field);
    const bool needs_quotes = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
                              (value[0] == '0' && !absl::StrContains(value, '.'));
    return needs_quotes ? absl::StrCat("\"", value, "\"") : value;
  }

  void Line(const Style& style, const std::string& key, const std::string& value,
            const std::string& comment) {
    std::string line = style.commented ? "# " : "";
    const size_t indent = static_cast<size_t>(style.indent);
    line += style.first_of_item ? absl::StrCat(std::string(indent - 2, ' '), "- ")
                                : std::string(indent, ' ');
    absl::StrAppend(&line, key, ":", value.empty() ? "" : " ", value);
    const size_t column = std::max(line.size() + 2, kCommentColumn);
    if (!comment.empty() && column + 2 + comment.size() <= kTerminalColumns) {
      line.resize(column, ' ');
      absl::StrAppend(&line, "# ", comment);
    } else if (!comment.empty()) {
      Above(style, comment);
    }
    absl::StrAppend(&out_, line, "\n");
  }

  // A comment that does not fit beside its key. "##" as in Explain(): removing "# " leaves it one.
  void Above(const Style& style, const std::string& comment) {
    const size_t indent =
        static_cast<size_t>(style.first_of_item ? style.indent - 2 : style.indent);
    const std::string start = style.commented ? absl::StrCat("## ", std::string(indent, ' '))
                                              : absl::StrCat(std::string(indent, ' '), "## ");
    for (const std::string& text : WrapText(comment, kTerminalColumns - start.size())) {
      absl::StrAppend(&out_, start, text, "\n");
    }
  }

  std::string out_;
};

}  // namespace

std::string Describe(const Descriptor* descriptor) {
  Describer describer;
  describer.Explain();
  describer.Fields(descriptor, Style());
  return describer.Take();
}

}  // namespace entropyd::config
