// Checks configured classes and fills in the defaults of what they leave out.
//
//   auto resolved = ResolveClasses(options, classes);
//   if (!resolved.ok()) return resolved.status();
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/class_tree/class_tree.h"

namespace entropyd {

// A class with its defaults filled in. The root is the first, parents come before their children.
struct ResolvedClass {
  ClassTree::ClassSpec spec;
  uint32_t parent = 0;  // index into the resolved classes; the root's is its own
  bool leaf = true;
};

// max(4 chunks, rate x 10 ms). With a smaller bucket a class may miss its guarantee: a chunk is too
// large a step for it, or it overflows between two ticks of a 1 ms timer when one comes late.
uint64_t DefaultBurst(uint64_t rate, uint32_t chunk_bytes);

// The exact size as people write it in the configuration, in the largest unit of which it is a
// whole number: 10485760 -> "10MiB".
std::string ExactBytes(uint64_t bytes);

// Errors: INVALID_ARGUMENT naming the class, the value and the remedy.
absl::StatusOr<std::vector<ResolvedClass>> ResolveClasses(
    const ClassTree::Options& options, absl::Span<const ClassTree::ClassSpec> classes);

}  // namespace entropyd
