// Shows what changed between two texts, as `diff -u` does.
//
//   std::cout << UnifiedDiff("defined", before, "new", after);
//
// Errors: none.
//
// Thread safety: a function without state.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

// Empty when the texts are the same. Shows at most three equal lines before and after each change.
// Keeps a longest common subsequence of the lines (Hunt and McIlroy, 1976). Between the first and
// the last difference, time and memory grow with the product of the numbers of lines.
std::string UnifiedDiff(absl::string_view before_name, absl::string_view before,
                        absl::string_view after_name, absl::string_view after);

}  // namespace entropyd
