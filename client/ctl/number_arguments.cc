#include "client/ctl/number_arguments.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/config/units.h"

namespace entropyd {

absl::StatusOr<uint64_t> ParseSizeArgument(absl::string_view text, uint64_t most) {
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(text, &bytes)) {
    const absl::StatusOr<uint64_t> parsed = ParseSize(text);
    if (!parsed.ok()) return parsed.status();
    bytes = *parsed;
  }
  if (bytes == 0 || bytes > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(text, " is not between 1 B and ", FormatSize(static_cast<double>(most))));
  }
  return bytes;
}

absl::Status CheckNumberArgument(absl::string_view text, double least, double most) {
  double value = 0;
  if (absl::SimpleAtod(text, &value) && value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(text, " is not a number between ", least, " and ", most));
}

}  // namespace entropyd
