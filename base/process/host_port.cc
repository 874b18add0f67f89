#include "base/process/host_port.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace entropyd {

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  absl::Status invalid = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no address; write HOST:PORT or [IPV6]:PORT"));
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return invalid;
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  // SimpleAtoi() would take a sign and blanks, too.
  const absl::string_view digits = text.substr(colon + 1);
  uint32_t port = 0;
  if (host.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &port) || port > 65535 ||
      bracketed != (host.find(':') != absl::string_view::npos) ||
      host.find_first_of("[]/ \t") != absl::string_view::npos) {
    return invalid;
  }
  return HostPort{std::string(host), static_cast<int>(port)};
}

absl::StatusOr<HostPort> ParseRemoteHostPort(absl::string_view text) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(text);
  if (!parsed.ok() || parsed->port != 0) return parsed;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' has no port; write HOST:PORT with the port of the other side"));
}

}  // namespace entropyd
