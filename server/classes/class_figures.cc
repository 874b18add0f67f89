#include "server/classes/class_figures.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/class_tree/class_tree_spec.h"
#include "base/config/config_values.h"

namespace entropyd {
namespace {

using config::v1::ClassConfig;
using config::v1::ClassFigures;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A plain decimal, as the loader wants it, with just enough digits to read the same double.
std::string Decimal(double value) {
  // The loader takes words of up to 64 characters.
  constexpr int kMaxDigits = 60;
  std::string text;
  for (int digits = 0; digits <= kMaxDigits; ++digits) {
    text = absl::StrFormat("%.*f", digits, value);
    double back = 0;
    if (absl::SimpleAtod(text, &back) && back == value) break;
  }
  return text;
}

// A message with the keys of ClassFigures: ClassFigures itself, or ClassConfig.
std::string TextOf(const Message& message, const FieldDescriptor* figure) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(figure->name());
  const auto* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t value = reflection->GetUInt64(message, field);
      const bool rate = config::RuleOf(figure).unit() == config::v1::UNIT_BYTES_PER_SECOND;
      return absl::StrCat(ExactBytes(value), rate ? "/s" : "");
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Decimal(reflection->GetDouble(message, field));
    default:
      return absl::StrCat(reflection->GetUInt32(message, field));
  }
}

std::string ForPeople(absl::string_view key, const std::string& text) {
  if (key == "prio" || (text != "0" && text != "0B" && text != "0B/s")) return text;
  return key == "ceil" ? "none" : "default";
}

}  // namespace

std::vector<const FieldDescriptor*> FigureFields() {
  const Descriptor* type = ClassFigures::descriptor();
  std::vector<const FieldDescriptor*> fields;
  fields.reserve(static_cast<size_t>(type->field_count()));
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i));
  return fields;
}

std::vector<const FieldDescriptor*> PresentFigures(const ClassFigures& figures) {
  std::vector<const FieldDescriptor*> fields;
  for (const FieldDescriptor* field : FigureFields()) {
    if (figures.GetReflection()->HasField(figures, field)) fields.push_back(field);
  }
  return fields;
}

std::string FigureYaml(const ClassFigures& figures, const FieldDescriptor* field) {
  return TextOf(figures, field);
}

std::string FigureText(const ClassFigures& figures, const FieldDescriptor* field) {
  return ForPeople(field->name(), TextOf(figures, field));
}

std::string ConfiguredText(const ClassConfig& config, const FieldDescriptor* field) {
  return ForPeople(field->name(), TextOf(config, field));
}

std::string FiguresText(const ClassFigures& figures) {
  return absl::StrJoin(PresentFigures(figures), " ",
                       [&](std::string* out, const FieldDescriptor* field) {
                         absl::StrAppend(out, field->name(), "=", FigureText(figures, field));
                       });
}

absl::Status CheckFigures(const ClassFigures& figures) {
  const std::vector<const FieldDescriptor*> present = PresentFigures(figures);
  if (present.empty()) {
    return absl::InvalidArgumentError("no figure is given; give one, e.g. ceil=64KiB/s");
  }
  ClassFigures scratch;
  for (const FieldDescriptor* field : present) {
    const absl::Status status = config::SetScalar(TextOf(figures, field), false, field, &scratch);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(field->name(), ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

void MergeFigures(const ClassFigures& over, ClassFigures* figures) {
  if (over.has_ceil() && over.ceil() == 0) figures->clear_cburst();
  figures->MergeFrom(over);
}

void DropConfigured(const ClassConfig& config, ClassFigures* figures) {
  for (const FieldDescriptor* field : PresentFigures(*figures)) {
    if (FigureText(*figures, field) == ConfiguredText(config, field)) {
      figures->GetReflection()->ClearField(figures, field);
    }
  }
}

void ApplyFigures(const ClassFigures& figures, ClassConfig* config) {
  if (figures.has_rate()) config->set_rate(figures.rate());
  if (figures.has_ceil()) config->set_ceil(figures.ceil());
  if (figures.has_burst()) config->set_burst(figures.burst());
  if (figures.has_cburst()) {
    config->set_cburst(figures.cburst());
  } else if (figures.has_ceil() && figures.ceil() == 0) {
    config->clear_cburst();
  }
  if (figures.has_weight()) config->set_weight(figures.weight());
  if (figures.has_prio()) config->set_prio(figures.prio());
}

}  // namespace entropyd
