// From a pool's configured classes to the specs of its ClassTree.
//
//   auto specs = ClassSpecs(config.pools(0), 0, locations).value();
//   auto tree = ClassTree::Create(TreeOptions(config.pools(0)), specs).value();
//
// Errors: INVALID_ARGUMENT, naming class, value and remedy.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/class_tree/class_tree.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// The options of a pool's tree. L, the largest single grant, is 256 B for quality full, where bytes
// are scarce, and 1 KiB for drbg. In a drbg pool a class of 20 MiB/s or more gets at each turn what
// its rate lets through in 100 us.
ClassTree::Options TreeOptions(const config::v1::PoolConfig& pool);

// The specs, checked by building a tree from them. `pool_index` is the pool's place in the file,
// for error locations. Errors: INVALID_ARGUMENT with file:line:column, naming class, value and
// remedy.
absl::StatusOr<std::vector<ClassTree::ClassSpec>> ClassSpecs(const config::v1::PoolConfig& pool,
                                                             int pool_index,
                                                             const config::Locations& locations);

// The same for classes that were changed after they were loaded. The errors name no place in a
// file.
absl::StatusOr<std::vector<ClassTree::ClassSpec>> ChangedClassSpecs(
    const config::v1::PoolConfig& pool);

// The names POOL/CLASS of every leaf, in the order of the file.
std::vector<std::string> LeafNames(const config::v1::Server& config);

}  // namespace entropyd
