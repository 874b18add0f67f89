#include "base/process/clock.h"

#include <time.h>

#include "absl/time/clock.h"
#include "base/process/nanos.h"

namespace entropyd {

int64_t SystemClock::NowNanos() const {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * kSecondNanos + ts.tv_nsec;
}

absl::Time SystemClock::WallTime() const { return absl::Now(); }

}  // namespace entropyd
