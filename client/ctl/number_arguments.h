// Reads the numbers and sizes of a command line. An error says what may be written instead; it does
// not name the option, which the caller knows.
//
//   ParseSizeArgument("64KiB", 1 << 20).value();   // 65536
//   CheckNumberArgument("nan", 0, 3600);           // nan is not a number between 0 and 3600
//
// Errors: INVALID_ARGUMENT.
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Bytes, as "65536" or "64KiB": from 1 to `most`.
absl::StatusOr<uint64_t> ParseSizeArgument(absl::string_view text, uint64_t most);

// A number from `least` to `most`. Unlike CLI::Range it refuses nan, which compares with nothing.
absl::Status CheckNumberArgument(absl::string_view text, double least, double most);
// The same for numbers without a fraction.
absl::Status CheckWholeNumberArgument(absl::string_view text, uint64_t least, uint64_t most);

}  // namespace entropyd
