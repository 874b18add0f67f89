// How many descriptors this process may have open (RLIMIT_NOFILE).
//
//   const uint64_t limit = RaiseDescriptorLimit();
//
// Errors: none; a limit that cannot be raised stays as it is.
//
// Thread safety: safe.
#pragma once

#include <cstdint>

namespace entropyd {

// Raises the soft limit to the hard one, and returns what holds now. The soft limit is kept low for
// programs that use select(2). This project has none.
uint64_t RaiseDescriptorLimit();

}  // namespace entropyd
