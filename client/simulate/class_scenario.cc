#include "client/simulate/class_scenario.h"

#include <algorithm>
#include <iostream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/class_tree/class_tree_spec.h"
#include "client/process/whole_file.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace entropyd {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;
using Class = ClassScenario::Class;

constexpr int kMaxPrio = 7;
// Decimal figures are not exact in binary: 0.1 + 0.2 may be below 0.3 or above it.
constexpr double kRounding = 1e-9;

std::string Text(double value) { return absl::StrFormat("%.12g", value); }

std::string Text(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      return Text(value.number_value());
    case Value::kStringValue:
      return absl::StrCat("\"", value.string_value(), "\"");
    case Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Value::kStructValue:
      return "an object";
    case Value::kListValue:
      return "a list";
    default:
      return "null";
  }
}

template <typename... Args>
absl::Status Refuse(const Args&... what) {
  return absl::InvalidArgumentError(absl::StrCat(what...));
}

const Value* Find(const Struct& object, const std::string& key) {
  const auto found = object.fields().find(key);
  return found == object.fields().end() ? nullptr : &found->second;
}

// Reads a figure of 0 or more. null and "inf" mean infinity where `may_be_infinite`.
absl::Status ReadFigure(const Value& value, absl::string_view where, bool may_be_infinite,
                        double* figure) {
  const bool infinite = value.kind_case() == Value::kNullValue ||
                        (value.kind_case() == Value::kStringValue && value.string_value() == "inf");
  if (infinite && may_be_infinite) {
    *figure = HUGE_VAL;
    return absl::OkStatus();
  }
  if (value.kind_case() != Value::kNumberValue || !std::isfinite(value.number_value())) {
    return Refuse(where, " is ", Text(value), ", not a number; write one of 0 or more",
                  may_be_infinite ? ", or null for no limit" : ", or leave it out");
  }
  if (value.number_value() < 0) {
    return Refuse(where, " ", Text(value), " is negative; write a number of 0 or more");
  }
  *figure = value.number_value();
  return absl::OkStatus();
}

absl::Status ReadName(const Value& value, absl::string_view where, std::string* name) {
  if (value.kind_case() != Value::kStringValue || value.string_value().empty()) {
    return Refuse(where, " is ", Text(value), "; write a name in quotes");
  }
  *name = value.string_value();
  return absl::OkStatus();
}

absl::Status ReadPrio(const Value& value, absl::string_view where, uint32_t* prio) {
  double figure = 0;
  if (auto status = ReadFigure(value, where, false, &figure); !status.ok()) return status;
  if (figure > kMaxPrio || figure != std::floor(figure)) {
    return Refuse(where, " ", Text(figure), " is not in 0..", kMaxPrio, "; choose one that is");
  }
  *prio = static_cast<uint32_t>(figure);
  return absl::OkStatus();
}

absl::Status ReadField(const std::string& key, const Value& value, Class* c) {
  const std::string where = absl::StrCat("class '", c->name, "': ", key);
  if (key == "name") return absl::OkStatus();
  if (key == "parent") {
    const bool root = value.kind_case() == Value::kNullValue;
    return root ? absl::OkStatus() : ReadName(value, where, &c->parent);
  }
  if (key == "rate") return ReadFigure(value, where, false, &c->rate);
  if (key == "ceil") return ReadFigure(value, where, true, &c->ceil);
  if (key == "weight") return ReadFigure(value, where, false, &c->weight);
  if (key == "prio") return ReadPrio(value, where, &c->prio);
  return Refuse(where, " is not known; a class has name, parent, rate, ceil, weight and prio");
}

// Reads a class as the file has it: rate and weight are NaN when they are left out.
absl::Status ReadClass(const Value& value, const std::string& which, Class* c) {
  if (value.kind_case() != Value::kStructValue) {
    return Refuse(which, ": is ", Text(value), "; write an object such as {\"name\": \"root\"}");
  }
  const Struct& object = value.struct_value();
  const Value* name = Find(object, "name");
  if (name == nullptr) return Refuse(which, ": has no name; add \"name\"");
  if (auto status = ReadName(*name, absl::StrCat(which, ": name"), &c->name); !status.ok()) {
    return status;
  }
  c->rate = NAN;
  c->weight = NAN;
  // In a fixed order, so that one file always has the same error.
  for (const auto& [key, field] :
       std::map<std::string, Value>(object.fields().begin(), object.fields().end())) {
    if (auto status = ReadField(key, field, c); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Class>> ReadClasses(const Struct& document) {
  const Value* value = Find(document, "classes");
  if (value == nullptr) {
    return Refuse("has no classes; add \"classes\": [{\"name\": \"root\"}, ...]");
  }
  if (value->kind_case() != Value::kListValue) {
    return Refuse("classes is ", Text(*value), "; write a list of objects");
  }
  const ListValue& list = value->list_value();
  std::vector<Class> classes(static_cast<size_t>(list.values_size()));
  for (int i = 0; i < list.values_size(); ++i) {
    const std::string which = absl::StrCat("class ", i + 1, " of ", list.values_size());
    auto status = ReadClass(list.values(i), which, &classes[static_cast<size_t>(i)]);
    if (!status.ok()) return status;
  }
  return classes;
}

// Puts parents before their children. The tree itself checks the shape; figures do not matter.
absl::StatusOr<std::vector<Class>> Order(const std::vector<Class>& classes) {
  std::vector<ClassTree::ClassSpec> shape;
  std::map<std::string, const Class*> by_name;
  for (const Class& c : classes) {
    shape.push_back({.name = c.name, .parent = c.parent, .weight = 1});
    by_name[c.name] = &c;
  }
  const auto resolved = ResolveClasses({.allow_zero_rate_leaves = true}, shape);
  if (!resolved.ok()) return resolved.status();
  std::vector<Class> order;
  for (const ResolvedClass& r : *resolved) {
    order.push_back(*by_name.at(r.spec.name));
    order.back().leaf = r.leaf;
  }
  return order;
}

absl::Status FillFigures(ClassScenario* scenario) {
  std::map<std::string, double> children_rate;
  for (auto it = scenario->classes.rbegin(); it != scenario->classes.rend(); ++it) {
    Class& c = *it;
    const std::string who = absl::StrCat("class '", c.name, "': ");
    const double sum = children_rate[c.name];
    if (std::isnan(c.rate)) c.rate = sum;
    if (c.rate < sum * (1 - kRounding)) {
      return Refuse(who, "rate ", Text(c.rate), " is below the sum of its children's, ", Text(sum),
                    "; raise it, lower theirs, or leave it out to have the sum");
    }
    if (c.ceil == 0) {
      return Refuse(who, "ceil 0 would never let anything pass; raise it or leave it out");
    }
    if (c.ceil < c.rate * (1 - kRounding)) {
      return Refuse(who, "ceil ", Text(c.ceil), " is below the rate ", Text(c.rate),
                    "; raise the ceil or lower the rate");
    }
    if (std::isnan(c.weight)) c.weight = c.rate;
    if (!c.parent.empty() && !(c.weight > 0)) {
      return Refuse(who, "weight 0 is not positive; give it a positive weight",
                    c.rate > 0 ? "" : ", its rate of 0 does not stand in for one");
    }
    children_rate[c.parent] += c.rate;
  }
  for (const Class& c : scenario->classes) {
    if (!c.leaf || c.rate > 0) continue;
    scenario->warnings.push_back(absl::StrCat(
        scenario->file, ": class '", c.name,
        "': rate 0 guarantees it nothing, so it may starve; a server refuses such a leaf"));
  }
  return absl::OkStatus();
}

absl::Status ReadLoad(const Struct& document, ClassScenario* scenario) {
  const Value* value = Find(document, "load");
  if (value == nullptr) return absl::OkStatus();
  if (value->kind_case() != Value::kStructValue) {
    return Refuse("load is ", Text(*value),
                  "; write an object such as {\"www\": 30, \"bulk\": null}");
  }
  std::map<std::string, bool> is_leaf;
  for (const Class& c : scenario->classes) is_leaf[c.name] = c.leaf;
  const auto& fields = value->struct_value().fields();
  for (const auto& [name, load] : std::map<std::string, Value>(fields.begin(), fields.end())) {
    const auto found = is_leaf.find(name);
    if (found == is_leaf.end()) {
      return Refuse("load of '", name, "' is ", Text(load),
                    ", and there is no such class; name one of the leaves");
    }
    if (!found->second) {
      return Refuse("load of '", name, "' is ", Text(load),
                    ", and that class has children; load its leaves instead");
    }
    double figure = 0;
    auto status = ReadFigure(load, absl::StrCat("load of '", name, "'"), true, &figure);
    if (!status.ok()) return status;
    if (std::isfinite(figure)) scenario->load[name] = figure;
  }
  return absl::OkStatus();
}

absl::Status ReadSupply(const Struct& document, ClassScenario* scenario) {
  const Value* capacity = Find(document, "capacity");
  if (capacity == nullptr) {
    return Refuse("has no capacity; add \"capacity\" in bytes per second, or null for no limit");
  }
  if (auto status = ReadFigure(*capacity, "capacity", true, &scenario->capacity); !status.ok()) {
    return status;
  }
  const Value* shed = Find(document, "shed");
  if (shed == nullptr) return absl::OkStatus();
  if (shed->string_value() == "priority") {
    scenario->shed = ClassTree::Shed::kPriority;
  } else if (shed->string_value() != "proportional") {
    return Refuse("shed is ", Text(*shed), "; write \"proportional\" or \"priority\"");
  }
  return absl::OkStatus();
}

absl::Status Read(absl::string_view json, ClassScenario* scenario) {
  Struct document;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &document);
  if (!parsed.ok()) {
    return Refuse("is not a JSON object: ",
                  absl::string_view(parsed.message().data(), parsed.message().size()),
                  "; see entropyctl classes simulate --help for an example");
  }
  auto classes = ReadClasses(document);
  if (!classes.ok()) return classes.status();
  auto order = Order(*classes);
  if (!order.ok()) return order.status();
  scenario->classes = *std::move(order);
  if (auto status = FillFigures(scenario); !status.ok()) return status;
  if (auto status = ReadLoad(document, scenario); !status.ok()) return status;
  if (auto status = ReadSupply(document, scenario); !status.ok()) return status;
  if (std::isfinite(MostServed(*scenario))) return absl::OkStatus();
  return Refuse("capacity null is no limit, and the class '", scenario->classes.front().name,
                "' has no bound either; give a capacity, or a ceil or load to every leaf");
}

}  // namespace

double MostServed(const ClassScenario& scenario) {
  std::map<std::string, double> demand;
  for (auto it = scenario.classes.rbegin(); it != scenario.classes.rend(); ++it) {
    double own = demand[it->name];
    if (it->leaf) {
      const auto found = scenario.load.find(it->name);
      own = found == scenario.load.end() ? HUGE_VAL : found->second;
    }
    demand[it->parent] += std::min(own, it->ceil);
  }
  return std::min(scenario.capacity, demand[""]);
}

absl::StatusOr<ClassScenario> ParseClassScenario(absl::string_view json, absl::string_view file) {
  ClassScenario scenario;
  scenario.file = std::string(file);
  if (auto status = Read(json, &scenario); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", status.message()));
  }
  return scenario;
}

absl::StatusOr<ClassScenario> ReadClassScenario(const std::string& path) {
  if (path == "-") {
    std::ostringstream json;
    json << std::cin.rdbuf();
    return ParseClassScenario(json.str(), "standard input");
  }
  const absl::StatusOr<std::string> json = ReadFile(path);
  if (!json.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        json.status().message(), "; name a file that holds a scenario, or - for standard input"));
  }
  return ParseClassScenario(*json, path);
}

}  // namespace entropyd
