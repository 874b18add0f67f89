// A small certificate authority for people who have none: one root, leaves signed by it, one CRL.
// P-256 and ECDSA with SHA-256 throughout; OpenSSL only.
//
//   pki::Init("ca", {.common_name = "dc1"}, now);
//   pki::Issue("ca", {.name = "h7", .spiffe_id = "spiffe://dc1/agent/h7"}, now);
//   pki::Revoke("ca", cert_pem, now);
//
// The authority's directory:
//   ca.crt       the root, PEM, 0644: what servers take as `client_ca` and agents as `ca`
//   ca.key       its key, PKCS #8 PEM, 0600: whoever reads it can be anybody
//   crl.pem      what was revoked, PEM, 0644: what servers take as `crl`; there from the start
//   revoked.txt  the same as text, "SERIAL_HEX TIME" a line (RFC 3339, UTC); crl.pem is made from
//   it
//
// Every file appears at once and whole. A key or certificate is never overwritten.
//
// Thread safety: functions without state; the directory is locked (flock) while it changes, so that
// several processes may use one authority.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd::pki {

// Braces after each member, so that a designated initializer may leave any of them out.
struct InitRequest {
  std::string common_name = {};                      // 1..64 bytes of UTF-8
  absl::Duration validity = absl::Hours(24 * 3650);  // a root is replaced by hand: rarely
};

// Makes ca.crt, ca.key and an empty crl.pem, and the directory (0700) when it is absent.
// Errors: ALREADY_EXISTS (there is an authority), INVALID_ARGUMENT (name, validity), as
// ErrnoStatus.
absl::Status Init(const std::string& dir, const InitRequest& request, absl::Time now);

struct IssueRequest {
  std::string name = {};         // files NAME.crt, NAME.key: letters, digits, '.', '_', '-'
  std::string common_name = {};  // empty = `name`
  std::string spiffe_id = {};    // spiffe://DOMAIN/PATH (SPIFFE ID 2.1-2.3), or empty
  std::vector<std::string> dns_names = {};     // a leading "*." is allowed
  std::vector<std::string> ip_addresses = {};  // IPv4 or IPv6, no brackets
  std::string out_dir = {};                    // empty = the authority's; made (0700) when absent
  absl::Duration validity = absl::Hours(24 * 365);  // cut where the root's ends
};

struct Issued {
  std::string cert_path;   // leaf, PEM, 0644
  std::string key_path;    // PKCS #8 PEM, 0600
  std::string serial_hex;  // upper case, as tls::PeerIdentity has it
  absl::Time not_after;
};

// Makes a key and a certificate that may act as TLS server and client. Valid from five minutes ago,
// for clocks that disagree; serial of 128 random bits.
// Errors: NOT_FOUND (no authority there), FAILED_PRECONDITION (the root has expired),
// ALREADY_EXISTS (one of the files is there), INVALID_ARGUMENT (naming the field), as ErrnoStatus.
absl::StatusOr<Issued> Issue(const std::string& dir, const IssueRequest& request, absl::Time now);

// Adds the certificate to revoked.txt and writes crl.pem anew; the latter alone when it was revoked
// before. The CRL is valid as long as the root, because nobody is there to renew it daily.
// Returns the serial, upper-case hex. Errors: NOT_FOUND (no authority there), INVALID_ARGUMENT (no
// certificate, or not one of this authority's), DATA_LOSS (revoked.txt is damaged), as ErrnoStatus.
absl::StatusOr<std::string> Revoke(const std::string& dir, absl::string_view cert_pem,
                                   absl::Time now);

}  // namespace entropyd::pki
