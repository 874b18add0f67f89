// Lengths of time in nanoseconds, as the clocks and timers of this project count them.
//
//   constexpr int64_t kPatienceNanos = 5 * kSecondNanos;
//
// Errors: none.
//
// Thread safety: constants and functions without state.
#pragma once

#include <cstdint>
#include <limits>

namespace entropyd {

// Named <unit>Nanos, so that a product of them says what it is: 5 * kSecondNanos.
inline constexpr int64_t kMicrosecondNanos = 1'000;
inline constexpr int64_t kMillisecondNanos = 1'000'000;
inline constexpr int64_t kSecondNanos = 1'000'000'000;
inline constexpr int64_t kMinuteNanos = 60 * kSecondNanos;
inline constexpr int64_t kHourNanos = 60 * kMinuteNanos;

// A point in time that never comes.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// For metrics and status, which count seconds.
constexpr double ToSeconds(int64_t nanos) { return static_cast<double>(nanos) / kSecondNanos; }

}  // namespace entropyd
