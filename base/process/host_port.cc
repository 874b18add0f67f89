#include "base/process/host_port.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace entropyd {

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  const absl::Status invalid = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no address; write HOST:PORT or [IPV6]:PORT"));
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return invalid;
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  uint32_t port = 0;
  if (host.empty() || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535 ||
      bracketed != (host.find(':') != absl::string_view::npos) ||
      host.find_first_of("[]") != absl::string_view::npos) {
    return invalid;
  }
  return HostPort{std::string(host), static_cast<int>(port)};
}

}  // namespace entropyd
