// Reads and writes sizes, rates and durations as people write them: "256KiB", "10MiB/s", "500ms".
//
//   ParseSize("1.5MiB").value();   // 1572864
//   FormatSize(1572864);           // "1.5 MiB"
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// A decimal number and a unit: B, KiB, MiB, GiB or TiB. A plain 0 needs no unit. The result must be
// whole: "1.5MiB" is, "0.3B" is not.
// Errors: INVALID_ARGUMENT with an example of what to write.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);      // bytes
absl::StatusOr<uint64_t> ParseRate(absl::string_view text);      // bytes per second, "…/s"
absl::StatusOr<uint64_t> ParseDuration(absl::string_view text);  // ns; ms, s, m, h

// Rounded, for people. What is not above 0 counts as 0.
std::string FormatSize(double bytes);  // "1.5 MiB"
std::string FormatRate(double bytes_per_second);
std::string FormatDuration(double seconds);  // "2m 3s", "15 ms"

}  // namespace entropyd
