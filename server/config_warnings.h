// What works in a configuration, and surely not as its writer thinks: keys that do nothing beside
// the other ones, a private key that everybody may read, and a certificate that nobody can check.
// `--check-config` and the start tell it.
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

// Each with file:line:column, the key, why it is there for nothing, and what to do.
std::vector<std::string> ConfigWarnings(const config::v1::Server& config,
                                        const config::Locations& locations);

// Whether the first certificate names a DNS name or an IP address in its subjectAltName: who dials
// a server compares nothing else with the host that it has dialled (RFC 6125, 6.4). False for what
// is no certificate.
bool NamesAHost(absl::string_view cert_pem);

}  // namespace entropyd
