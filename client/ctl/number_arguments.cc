#include "client/ctl/number_arguments.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/config/units.h"

namespace entropyd {
namespace {

bool IsDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// The size as ParseSize() reads it: "1TiB".
std::string Writable(uint64_t bytes) {
  if (bytes % (uint64_t{1} << 40) == 0) return absl::StrCat(bytes >> 40, "TiB");
  if (bytes % (1 << 30) == 0) return absl::StrCat(bytes >> 30, "GiB");
  if (bytes % (1 << 20) == 0) return absl::StrCat(bytes >> 20, "MiB");
  return absl::StrCat(bytes, "B");
}

}  // namespace

absl::StatusOr<uint64_t> ParseSizeArgument(absl::string_view text, uint64_t most) {
  uint64_t bytes = 0;
  if (IsDigits(text)) {
    // More than 64 bits hold is more than `most`, too.
    if (!absl::SimpleAtoi(text, &bytes)) bytes = std::numeric_limits<uint64_t>::max();
  } else {
    const absl::StatusOr<uint64_t> parsed = ParseSize(text);
    if (!parsed.ok()) return parsed.status();
    bytes = *parsed;
  }
  if (bytes == 0) return absl::InvalidArgumentError("0 is too small; the least is 1B");
  if (bytes > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(text, " is too large; the most is ", Writable(most)));
  }
  return bytes;
}

absl::Status CheckNumberArgument(absl::string_view text, double least, double most) {
  double value = 0;
  if (absl::SimpleAtod(text, &value) && value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(text, " is not a number between ", least, " and ", most));
}

absl::Status CheckWholeNumberArgument(absl::string_view text, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(text, " is not a whole number between ", least, " and ", most));
}

}  // namespace entropyd
