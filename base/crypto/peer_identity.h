// Who a certificate names, and whose certificates a list revokes.
//
//   absl::StatusOr<tls::PeerIdentity> who = tls::IdentityOfPem(cert_pem);
//   if (!who.ok()) return absl::UnauthenticatedError(who.status().message());
//
// Errors: INVALID_ARGUMENT, with what is wrong with the certificate or the list.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd::tls {

// Who a peer is: its SPIFFE URI SAN, else its first DNS SAN, else its CN. The name says which of
// these it is, so a chosen CN cannot pass for a DNS name or a SPIFFE ID.
struct PeerIdentity {
  // "spiffe://dc1/agent/h7", "dns:h7.example" in lower case, "cn:h7".
  std::string name;
  std::string serial_hex;  // upper case
};
// A longer name is refused. It is repeated in each line of the log and of every list.
inline constexpr size_t kMaxNameBytes = 256;
// Errors: INVALID_ARGUMENT when there is no certificate, or one of its names cannot be used: it is
// too long, or has characters that its type does not have. A SPIFFE ID has those of the SPIFFE ID
// specification (2.2 and 2.3); a DNS name letters, digits, '-', '_', '.' and '*'; a CN may have
// printable ASCII except ':' and '/'.
absl::StatusOr<PeerIdentity> IdentityOfPem(absl::string_view cert_pem);

// The serials (upper-case hex) that a CRL in PEM revokes.
absl::StatusOr<std::vector<std::string>> RevokedSerials(absl::string_view crl_pem);

}  // namespace entropyd::tls
