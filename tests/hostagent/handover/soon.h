// How long a test waits for the other end of a handover.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace entropyd {

inline absl::Time Soon() { return absl::Now() + absl::Seconds(5); }

}  // namespace entropyd
