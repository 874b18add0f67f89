#include "server/classes/class_config.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

ClassTree::ClassSpec SpecOf(const config::v1::ClassConfig& config) {
  ClassTree::ClassSpec spec;
  spec.name = config.name();
  spec.parent = config.parent();
  spec.rate = config.rate();
  spec.ceil = config.ceil() == 0 ? ClassTree::kUnlimited : config.ceil();
  spec.burst = config.burst();
  spec.cburst = config.cburst();
  spec.weight = config.weight();
  spec.prio = config.prio();
  return spec;
}

// The tree's errors name the class. The operator looks at the place of that class in the file.
absl::Status Locate(const absl::Status& error, const config::v1::PoolConfig& pool,
                    const std::string& path, const config::Locations& locations) {
  for (int i = 0; i < pool.classes_size(); ++i) {
    if (absl::StartsWith(error.message(), absl::StrCat("class '", pool.classes(i).name(), "':"))) {
      return locations.Error(absl::StrCat(path, ".classes[", i, "]"), error.message());
    }
  }
  return locations.Error(absl::StrCat(path, ".classes"), error.message());
}

// OK when a tree of these classes can be built.
absl::Status CheckSpecs(const config::v1::PoolConfig& pool,
                        const std::vector<ClassTree::ClassSpec>& specs) {
  return ClassTree::Create(TreeOptions(pool), specs).status();
}

}  // namespace

ClassTree::Options TreeOptions(const config::v1::PoolConfig& pool) {
  ClassTree::Options options;
  const bool scarce = pool.quality() == config::v1::POOL_QUALITY_FULL;
  options.chunk_bytes = scarce ? 256 : 1024;
  options.turn_nanos = scarce ? 0 : 100'000;
  options.shed = pool.shed() == config::v1::SHED_PRIORITY ? ClassTree::Shed::kPriority
                                                          : ClassTree::Shed::kProportional;
  return options;
}

absl::StatusOr<std::vector<ClassTree::ClassSpec>> ClassSpecs(const config::v1::PoolConfig& pool,
                                                             int pool_index,
                                                             const config::Locations& locations) {
  const std::string path = absl::StrCat("pools[", pool_index, "]");
  std::vector<ClassTree::ClassSpec> specs;
  for (int i = 0; i < pool.classes_size(); ++i) {
    if (const absl::Status name = CheckName(pool.classes(i).name()); !name.ok()) {
      return locations.Error(absl::StrCat(path, ".classes[", i, "].name"),
                             absl::StrCat("no class name: ", name.message()));
    }
    specs.push_back(SpecOf(pool.classes(i)));
  }
  const absl::Status checked = CheckSpecs(pool, specs);
  if (!checked.ok()) return Locate(checked, pool, path, locations);
  return specs;
}

absl::StatusOr<std::vector<ClassTree::ClassSpec>> ChangedClassSpecs(
    const config::v1::PoolConfig& pool) {
  std::vector<ClassTree::ClassSpec> specs;
  for (const config::v1::ClassConfig& config : pool.classes()) specs.push_back(SpecOf(config));
  absl::Status checked = CheckSpecs(pool, specs);
  if (!checked.ok()) return checked;
  return specs;
}

std::vector<std::string> LeafNames(const config::v1::Server& config) {
  std::vector<std::string> names;
  for (const config::v1::PoolConfig& pool : config.pools()) {
    std::set<std::string> parents;
    for (const config::v1::ClassConfig& c : pool.classes()) parents.insert(c.parent());
    for (const config::v1::ClassConfig& c : pool.classes()) {
      if (parents.count(c.name()) == 0) names.push_back(absl::StrCat(pool.name(), "/", c.name()));
    }
  }
  return names;
}

}  // namespace entropyd
