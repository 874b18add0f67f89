// Tells whether a directory can keep the state of a service, before the service makes it.
//
//   if (absl::Status wrong = CheckStateDir(config.state_dir()); !wrong.ok()) {
//     return locations.Error("state_dir", wrong.message());
//   }
//
// Errors: INVALID_ARGUMENT, with what is wrong and what to do.
//
// Thread safety: a function without state.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace entropyd {

// `path` is absolute, and neither it nor what it leads through is a file. A directory that is not
// there yet is no fault: the service makes it. Tries whether something can be made there, and
// removes it again.
absl::Status CheckStateDir(const std::string& path);

}  // namespace entropyd
