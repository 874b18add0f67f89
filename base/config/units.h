// Sizes, rates and durations as people write them: "256KiB", "10MiB/s", "500ms".
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// B, KiB, MiB, GiB after a decimal number ("1.5MiB" is fine when it is a whole number of bytes);
// a plain 0 needs no unit. Errors: INVALID_ARGUMENT with an example of what to write.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);      // bytes
absl::StatusOr<uint64_t> ParseRate(absl::string_view text);      // bytes per second, "…/s"
absl::StatusOr<uint64_t> ParseDuration(absl::string_view text);  // ns; ms, s, m, h

std::string FormatSize(double bytes);  // "1.5 MiB"
std::string FormatRate(double bytes_per_second);
std::string FormatDuration(double seconds);  // "2m 3s", "15 ms"

}  // namespace entropyd
