// Finds settings that are valid but surely not what their writer wanted: keys that have no effect
// beside the other keys, a private key that everybody may read, and a certificate that nobody can
// check. `--check-config` and the start report them.
//
//   for (const std::string& line : ConfigWarnings(config, locations)) …
//
// Errors: none; a configuration that is refused may get any warnings.
//
// Thread safety: functions of their arguments; the first one looks at the mode of tls.key.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// Each with file:line:column, the key, why it has no effect, and what to do.
std::vector<std::string> ConfigWarnings(const config::v1::Server& config,
                                        const config::Locations& locations);

// Whether the first certificate has a DNS name or an IP address in its subjectAltName. A client
// compares nothing else with the host that it has dialled (RFC 6125, 6.4). False for a text that is
// not a certificate.
bool NamesAHost(absl::string_view cert_pem);

}  // namespace entropyd
