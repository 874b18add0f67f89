// A small certificate authority for people who have none: one root, its leaves, one CRL. All keys
// are P-256 and all signatures ECDSA with SHA-256, by OpenSSL.
//
//   pki::Init("ca", {.common_name = "dc1"}, now);
//   pki::Issue("ca", {.name = "h7", .spiffe_id = "spiffe://dc1/agent/h7"}, now);
//   pki::Revoke("ca", cert_pem, now);
//
// The authority's directory:
//   ca.crt       the root, PEM, 0644: `client_ca` of servers and `ca` of agents
//   ca.key       its key, PKCS #8 PEM, 0600: who reads it can pretend to be anybody
//   crl.pem      the revoked certificates, PEM, 0644: `crl` of servers; it exists from the start
//   revoked.txt  the same as text, "SERIAL_HEX TIME" a line (RFC 3339, UTC); makes crl.pem
//
// Every file appears whole or not at all. No key or certificate is ever overwritten.
//
// Thread safety: functions without state. They lock the directory (flock) while they change it, so
// several processes may use one authority.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd::pki {

// Each member has braces, so that a designated initializer may leave it out.
struct InitRequest {
  std::string common_name = {};                      // 1..64 bytes of UTF-8
  absl::Duration validity = absl::Hours(24 * 3650);  // people replace a root by hand, so rarely
};

// Makes ca.crt, ca.key, an empty crl.pem, and the directory (0700) when it is absent.
// Errors: ALREADY_EXISTS (an authority is there), INVALID_ARGUMENT (name, validity), as
// ErrnoStatus.
absl::Status Init(const std::string& dir, const InitRequest& request, absl::Time now);

struct IssueRequest {
  std::string name = {};         // files NAME.crt, NAME.key: letters, digits, '.', '_', '-'
  std::string common_name = {};  // empty = `name`
  std::string spiffe_id = {};    // spiffe://DOMAIN/PATH (SPIFFE ID 2.1-2.3), or empty
  std::vector<std::string> dns_names = {};     // a leading "*." is allowed
  std::vector<std::string> ip_addresses = {};  // IPv4 or IPv6, no brackets
  std::string out_dir = {};                    // empty = the authority's; made (0700) when absent
  absl::Duration validity = absl::Hours(24 * 365);  // ends with the root's at the latest
};

struct Issued {
  std::string cert_path;   // leaf, PEM, 0644
  std::string key_path;    // PKCS #8 PEM, 0600
  std::string serial_hex;  // upper case, as tls::PeerIdentity has it
  std::string identity;    // as tls::PeerIdentity names it: "dns:a.example"
  absl::Time not_after;
};

// Makes a key, and a certificate for a TLS server and client. It is valid from five minutes ago,
// because clocks disagree. Its serial has 128 random bits.
// Errors: NOT_FOUND (no authority there), FAILED_PRECONDITION (the root has expired),
// ALREADY_EXISTS (one of the files is there), INVALID_ARGUMENT (names the field), as ErrnoStatus.
absl::StatusOr<Issued> Issue(const std::string& dir, const IssueRequest& request, absl::Time now);

// Adds the certificate to revoked.txt, unless it is there, and writes crl.pem again. The CRL is
// valid as long as the root, because nobody renews it daily. Returns the serial in upper-case hex.
// Errors: NOT_FOUND (no authority there), INVALID_ARGUMENT (no certificate, or one of another
// authority), DATA_LOSS (revoked.txt is damaged), as ErrnoStatus.
absl::StatusOr<std::string> Revoke(const std::string& dir, absl::string_view cert_pem,
                                   absl::Time now);

}  // namespace entropyd::pki
