#include "base/config/config.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/config_values.h"
#include "base/config/config_yaml.h"
#include "base/process/read_file.h"
#include "google/protobuf/descriptor.h"

namespace entropyd::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Far beyond any real configuration, and parsed in a moment.
constexpr size_t kMaxFileBytes = 1 << 20;

std::string Child(const std::string& path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

std::string At(const std::string& path, absl::string_view message) {
  return path.empty() ? std::string(message) : absl::StrCat(path, ": ", message);
}

const char* KindName(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "a value";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "keys";
  }
  return "nothing";
}

std::vector<std::string> KeysOf(const Descriptor* type) {
  std::vector<std::string> keys;
  keys.reserve(static_cast<size_t>(type->field_count()));
  for (int i = 0; i < type->field_count(); ++i) keys.push_back(type->field(i)->name());
  return keys;
}

std::string UnknownKey(absl::string_view key, const Descriptor* type) {
  const std::vector<std::string> keys = KeysOf(type);
  const std::string guess = DidYouMean(key, keys);
  return absl::StrCat(
      "unknown key '", Shown(key), "'",
      guess.empty() ? absl::StrCat("; known here: ", absl::StrJoin(keys, ", ")) : guess);
}

bool IsSubmessage(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated();
}

// Whether an absent message of this type is filled in: it has a default and no required key.
bool IsImplied(const Descriptor* type) {
  bool has_default = false;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (RuleOf(field).required()) return false;
    has_default |= !RuleOf(field).default_value().empty() ||
                   (IsSubmessage(field) && IsImplied(field->message_type()));
  }
  return has_default;
}

}  // namespace

struct Locations::Impl {
  std::string file;
  std::map<std::string, Position> positions;
};

Locations::Locations() : impl_(std::make_unique<Impl>()) {}
Locations::Locations(Locations&&) noexcept = default;
Locations& Locations::operator=(Locations&&) noexcept = default;
Locations::~Locations() = default;

std::string Locations::Where(absl::string_view path) const {
  std::string at(path);
  while (!at.empty()) {
    auto found = impl_->positions.find(at);
    if (found != impl_->positions.end()) return config::Where(impl_->file, found->second);
    const size_t cut = at.back() == ']' ? at.rfind('[') : at.rfind('.');
    at.resize(cut == std::string::npos ? 0 : cut);
  }
  return config::Where(impl_->file, Position());
}

bool Locations::Has(absl::string_view path) const {
  return impl_->positions.count(std::string(path)) > 0;
}

absl::Status Locations::Error(absl::string_view path, absl::string_view message) const {
  return absl::InvalidArgumentError(
      absl::StrCat(Where(path), ": ", path, path.empty() ? "" : ": ", message));
}

absl::Status Locations::At(absl::string_view path, const absl::Status& fault) const {
  return absl::Status(fault.code(), Error(path, fault.message()).message());
}

// Walks a message's descriptor and the tree side by side.
// Thread safety: none; lives for one Parse().
class Loader {
 public:
  Loader(Errors* errors, Locations* locations) : errors_(*errors), locations_(*locations) {
    locations_.impl_->file = errors->file();
    locations_.impl_->positions.clear();
  }

  // `at`: where the message began, for errors about missing keys.
  void WalkMessage(const Node& node, Position at, const std::string& path, Message* message) {
    const Descriptor* type = message->GetDescriptor();
    if (!Expect(node, Node::Kind::kMap, at, path, "keys and values")) return;
    std::vector<bool> present(static_cast<size_t>(type->field_count()));
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const Node::Key& key = node.keys[i];
      const FieldDescriptor* field = type->FindFieldByName(key.text);
      if (field == nullptr) {
        errors_.Add(key.at, At(path, UnknownKey(key.text, type)));
        continue;
      }
      present[static_cast<size_t>(field->index())] = true;
      WalkField(node.children[i], key.at, Child(path, key.text), field, message);
    }
    for (int i = 0; i < type->field_count(); ++i) {
      if (!present[static_cast<size_t>(i)]) FillAbsent(type->field(i), at, path, message);
    }
  }

 private:
  void WalkField(const Node& node, Position key_at, const std::string& path,
                 const FieldDescriptor* field, Message* message) {
    const Position at = node.kind == Node::Kind::kScalar ? node.at : key_at;
    Remember(path, at);
    if (node.kind == Node::Kind::kNull) {
      errors_.Add(at, At(path, "has no value; write one or remove the key"));
    } else if (field->is_map()) {
      WalkMap(node, at, path, field, message);
    } else if (field->is_repeated()) {
      WalkList(node, at, path, field, message);
    } else if (IsSubmessage(field)) {
      WalkMessage(node, at, path, message->GetReflection()->MutableMessage(message, field));
    } else {
      WalkScalar(node, at, path, field, message);
    }
  }

  void WalkMap(const Node& node, Position at, const std::string& path, const FieldDescriptor* field,
               Message* message) {
    if (!Expect(node, Node::Kind::kMap, at, path, "keys and values")) return;
    const FieldDescriptor* key_field = field->message_type()->map_key();
    const FieldDescriptor* value_field = field->message_type()->map_value();
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const Node::Key& key = node.keys[i];
      const std::string entry_path = absl::StrCat(path, "[", Shown(key.text), "]");
      Message* entry = message->GetReflection()->AddMessage(message, field);
      Report(SetScalar(key.text, false, key_field, entry), key.at, entry_path);
      WalkField(node.children[i], key.at, entry_path, value_field, entry);
    }
    CheckNotEmpty(node, at, path, field);
  }

  void WalkList(const Node& node, Position at, const std::string& path,
                const FieldDescriptor* field, Message* message) {
    if (!Expect(node, Node::Kind::kList, at, path, "a list")) return;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const Node& item = node.children[i];
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      if (item.kind != Node::Kind::kNull) Remember(item_path, item.at);
      if (item.kind == Node::Kind::kNull) {
        errors_.Add(at, At(item_path, "has no value; write one or remove the '-'"));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Message* element = message->GetReflection()->AddMessage(message, field);
        WalkMessage(item, item.at, item_path, element);
      } else {
        WalkScalar(item, item.at, item_path, field, message);
      }
    }
    CheckNotEmpty(node, at, path, field);
  }

  void WalkScalar(const Node& node, Position at, const std::string& path,
                  const FieldDescriptor* field, Message* message) {
    if (!Expect(node, Node::Kind::kScalar, at, path, TypeName(field))) return;
    if (node.text.empty() && (RuleOf(field).required() || field->is_repeated())) {
      errors_.Add(at, At(path, "must not be empty; write a value"));
      return;
    }
    Report(SetScalar(node.text, node.quoted, field, message), at, path);
  }

  // Handles an absent key: an error when it is required, else its default, else nothing.
  void FillAbsent(const FieldDescriptor* field, Position at, const std::string& path,
                  Message* message) {
    const v1::FieldRule& rule = RuleOf(field);
    if (rule.required()) {
      errors_.Add(at, At(path, absl::StrCat("required key '", field->name(), "' is missing",
                                            rule.help().empty() ? "" : ": ", rule.help())));
    } else if (!rule.default_value().empty()) {
      Report(SetScalar(rule.default_value(), false, field, message), at,
             Child(path, field->name()));
    } else if (IsSubmessage(field) && IsImplied(field->message_type())) {
      Node nothing;
      nothing.kind = Node::Kind::kMap;
      WalkMessage(nothing, at, Child(path, field->name()),
                  message->GetReflection()->MutableMessage(message, field));
    }
  }

  void CheckNotEmpty(const Node& node, Position at, const std::string& path,
                     const FieldDescriptor* field) {
    if (node.children.empty() && RuleOf(field).required()) {
      errors_.Add(at, At(path, absl::StrCat("must not be empty; write at least one",
                                            RuleOf(field).help().empty() ? "" : ": ",
                                            RuleOf(field).help())));
    }
  }

  bool Expect(const Node& node, Node::Kind kind, Position at, const std::string& path,
              absl::string_view expected) {
    if (node.kind == kind) return true;
    std::string complaint = absl::StrCat("expected ", expected, ", found ", KindName(node.kind));
    if (kind == Node::Kind::kList && node.kind == Node::Kind::kScalar) {
      absl::StrAppend(&complaint, "; write [", Shown(node.text), "]");
    }
    errors_.Add(at, At(path, complaint));
    return false;
  }

  void Report(const absl::Status& status, Position at, const std::string& path) {
    if (!status.ok()) errors_.Add(at, absl::StrCat(path, ": ", status.message()));
  }

  void Remember(const std::string& path, Position at) {
    locations_.impl_->positions.emplace(path, at);
  }

  Errors& errors_;
  Locations& locations_;
};

absl::Status Parse(absl::string_view text, absl::string_view name, Message* message,
                   Locations* locations) {
  message->Clear();
  Errors errors(name);
  Locations unwanted;
  Loader loader(&errors, locations == nullptr ? &unwanted : locations);
  Node root;
  if (text.size() > kMaxFileBytes) {
    errors.Add({}, absl::StrCat("larger than ", kMaxFileBytes, " bytes: not a configuration"));
  } else if (ParseYaml(text, &errors, &root)) {
    if (root.kind == Node::Kind::kNull) root.kind = Node::Kind::kMap;  // an empty file has no keys
    loader.WalkMessage(root, Position(), "", message);
  }
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(errors.Report());
}

absl::Status Load(const std::string& path, Message* message, Locations* locations) {
  if (path.empty()) {
    return absl::InvalidArgumentError("read the configuration: the name of its file is empty");
  }
  const absl::StatusOr<std::string> text =
      ReadFileAtMost(path, absl::StrCat("read ", path), kMaxFileBytes + 1);
  if (!text.ok()) return text.status();
  return Parse(*text, path, message, locations);
}

absl::Status OrMeant(const absl::Status& loaded, const std::string& path, Message* other,
                     absl::string_view meant) {
  if (!absl::IsInvalidArgument(loaded) || !Load(path, other, nullptr).ok()) return loaded;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", meant, "\n", loaded.message()));
}

absl::Status OrGive(const absl::Status& loaded, absl::string_view option) {
  if (!absl::IsNotFound(loaded)) return loaded;
  return absl::NotFoundError(absl::StrCat(loaded.message(), ", or give the right one by ", option));
}

}  // namespace entropyd::config
