// What changed between two texts, the way `diff -u` shows it.
//
// Thread safety: a function without state.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

// Empty when the texts are the same. Lines that stay are shown around each change, three at most on
// either side. A longest common subsequence of the lines is kept (Hunt and McIlroy, 1976); time and
// memory grow with the product of the lines between the first and the last difference.
std::string UnifiedDiff(absl::string_view before_name, absl::string_view before,
                        absl::string_view after_name, absl::string_view after);

}  // namespace entropyd
