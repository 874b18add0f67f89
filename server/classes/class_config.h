// From a pool's configured classes to the specs of its ClassTree.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/class_tree/class_tree.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// Of a pool's tree. L, the largest single grant, is 256 B where bytes are scarce (full) and 1 KiB
// for drbg; there a class of 20 MiB/s and more is given what its rate lets through in 100 us at a
// turn.
ClassTree::Options TreeOptions(const config::v1::PoolConfig& pool);

// The specs, checked by building a tree from them. `pool_index` is the pool's place in the file,
// for error locations. Errors: INVALID_ARGUMENT with file:line:column, naming class, value and
// remedy.
absl::StatusOr<std::vector<ClassTree::ClassSpec>> ClassSpecs(const config::v1::PoolConfig& pool,
                                                             int pool_index,
                                                             const config::Locations& locations);

// The same of classes that were changed since they were loaded: the errors name no place in a file.
absl::StatusOr<std::vector<ClassTree::ClassSpec>> ChangedClassSpecs(
    const config::v1::PoolConfig& pool);

// The names POOL/CLASS of every leaf, in the order of the file.
std::vector<std::string> LeafNames(const config::v1::Server& config);

}  // namespace entropyd
