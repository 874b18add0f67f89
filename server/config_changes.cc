#include "server/config_changes.h"

#include <map>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/classes/class_figures.h"

namespace entropyd {
namespace {

using config::v1::ClassConfig;
using config::v1::PoolConfig;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using Kind = ConfigChange::Kind;
using What = ConfigChange::What;

constexpr absl::string_view kRestartKeys[] = {"listen", "metrics", "strict_memory", "state_dir"};

bool SameField(const Message& a, const Message& b, const FieldDescriptor* field) {
  MessageDifferencer differ;
  return differ.CompareWithFields(a, b, {field}, {field});
}

// The fields that differ, but for those named `except`.
std::vector<const FieldDescriptor*> Differing(const Message& a, const Message& b,
                                              absl::string_view except = "") {
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < a.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = a.GetDescriptor()->field(i);
    if (field->name() != except && !SameField(a, b, field)) fields.push_back(field);
  }
  return fields;
}

std::string Names(const std::vector<const FieldDescriptor*>& fields) {
  return absl::StrJoin(fields, ", ", [](std::string* out, const FieldDescriptor* field) {
    absl::StrAppend(out, field->name());
  });
}

// Compares things that have a name. `detail` says how two of one name differ; "" = they do not.
template <typename Thing, typename Detail>
void Compare(Kind kind, const std::map<std::string, const Thing*>& before,
             const std::map<std::string, const Thing*>& after, Detail detail,
             std::vector<ConfigChange>* changes) {
  for (const auto& [name, thing] : before) {
    if (after.count(name) == 0) changes->push_back({kind, What::kRemoved, name});
  }
  for (const auto& [name, thing] : after) {
    const auto old = before.find(name);
    if (old == before.end()) {
      changes->push_back({kind, What::kAdded, name});
    } else {
      detail(name, *old->second, *thing);
    }
  }
}

template <typename Things>
auto ByName(const Things& things) {
  std::map<std::string, const typename Things::value_type*> by_name;
  for (const auto& thing : things) by_name[thing.name()] = &thing;
  return by_name;
}

// POOL/CLASS -> the class.
std::map<std::string, const ClassConfig*> Classes(const config::v1::Server& config) {
  std::map<std::string, const ClassConfig*> classes;
  for (const PoolConfig& pool : config.pools()) {
    for (const ClassConfig& one : pool.classes()) {
      classes[absl::StrCat(pool.name(), "/", one.name())] = &one;
    }
  }
  return classes;
}

// "rate 1KiB/s -> 2KiB/s, member_weight"
std::string FiguresThatDiffer(const ClassConfig& before, const ClassConfig& after) {
  std::vector<std::string> parts;
  std::vector<const FieldDescriptor*> others;
  for (const FieldDescriptor* field : Differing(before, after, "parent")) {
    const auto figures = FigureFields();
    const auto figure = absl::c_find_if(
        figures, [field](const FieldDescriptor* one) { return one->name() == field->name(); });
    if (figure == figures.end()) {
      others.push_back(field);
      continue;
    }
    parts.push_back(absl::StrCat(field->name(), " ", ConfiguredText(before, *figure), " -> ",
                                 ConfiguredText(after, *figure)));
  }
  if (!others.empty()) parts.push_back(Names(others));
  return absl::StrJoin(parts, ", ");
}

void CompareClasses(const config::v1::Server& before, const config::v1::Server& after,
                    std::vector<ConfigChange>* changes) {
  const auto compare = [changes](const std::string& name, const ClassConfig& a,
                                 const ClassConfig& b) {
    if (a.parent() != b.parent()) {
      changes->push_back(
          {Kind::kClass, What::kMoved, name,
           b.parent().empty() ? "it is the root now" : absl::StrCat("below ", b.parent(), " now")});
    }
    if (const std::string figures = FiguresThatDiffer(a, b); !figures.empty()) {
      changes->push_back({Kind::kClass, What::kChanged, name, figures});
    }
  };
  Compare(Kind::kClass, Classes(before), Classes(after), compare, changes);
}

std::string ValueOf(const config::v1::Server& config, const FieldDescriptor* field) {
  const auto* const reflection = config.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection->GetUInt64(config, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection->GetUInt32(config, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(config, field) ? "true" : "false";
    default:
      return absl::StrCat("'", reflection->GetString(config, field), "'");
  }
}

void CompareLimits(const config::v1::Server& before, const config::v1::Server& after,
                   std::vector<ConfigChange>* changes) {
  for (const FieldDescriptor* field : Differing(before, after)) {
    if (field->is_repeated() || field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
        absl::c_linear_search(kRestartKeys, absl::string_view(field->name()))) {
      continue;
    }
    changes->push_back({absl::StartsWith(field->name(), "max_") ? Kind::kLimit : Kind::kSetting,
                        What::kChanged, field->name(),
                        absl::StrCat(ValueOf(before, field), " -> ", ValueOf(after, field))});
  }
}

}  // namespace

std::vector<ConfigChange> ChangesBetween(const config::v1::Server& before,
                                         const config::v1::Server& after) {
  std::vector<ConfigChange> changes;
  const auto keys = [&changes](Kind kind, const char* except) {
    return [&changes, kind, except](const std::string& name, const Message& a, const Message& b) {
      const std::string differing = Names(Differing(a, b, except));
      if (!differing.empty()) changes.push_back({kind, What::kChanged, name, differing});
    };
  };
  Compare(Kind::kSource, ByName(before.sources()), ByName(after.sources()), keys(Kind::kSource, ""),
          &changes);
  Compare(Kind::kPool, ByName(before.pools()), ByName(after.pools()), keys(Kind::kPool, "classes"),
          &changes);
  CompareClasses(before, after, &changes);
  CompareLimits(before, after, &changes);
  return changes;
}

std::vector<std::string> RestartKeys(const config::v1::Server& started,
                                     const config::v1::Server& now) {
  std::vector<std::string> keys;
  for (const FieldDescriptor* field : Differing(started, now)) {
    if (absl::c_linear_search(kRestartKeys, absl::string_view(field->name()))) {
      keys.push_back(field->name());
    }
  }
  return keys;
}

}  // namespace entropyd
