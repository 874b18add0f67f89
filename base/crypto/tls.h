// Identity and transport security, in OpenSSL's terms. No gRPC here; see grpc_credentials.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd::tls {

// gRPC 1.51 accepts TLS 1.2 and has no setter: this installs a process-wide OpenSSL configuration
// (TLS 1.3 only, TLS_AES_256_GCM_SHA384, X25519 and P-256, no session tickets).
// REQUIRES: called before gRPC or any TLS context is made.
absl::Status RequireTls13();

// PEM files, read and checked together.
struct Material {
  std::string cert_pem;  // leaf first
  std::string key_pem;
  std::string ca_pem;
  std::string crl_pem;   // empty = none
  absl::Time not_after;  // the leaf's
  std::string identity;  // the leaf's own, see PeerIdentity
};

// Reads the files and checks that they parse, that the key fits the certificate, that the leaf is
// in its validity period, and that the CRL (path may be empty) parses and is signed by the CA.
// Errors: NOT_FOUND / PERMISSION_DENIED (file), INVALID_ARGUMENT (content), FAILED_PRECONDITION
// (expired, not yet valid), each naming the file and the remedy.
absl::StatusOr<Material> LoadMaterial(const std::string& cert, const std::string& key,
                                      const std::string& ca, const std::string& crl,
                                      absl::Time now);

// Who a peer is: SPIFFE URI SAN, else first DNS SAN, else CN.
struct PeerIdentity {
  std::string name;  // "spiffe://dc1/agent/h7", "h7.example", "h7"
  std::string serial_hex;
};
absl::StatusOr<PeerIdentity> IdentityOfPem(absl::string_view cert_pem);

// The serials (upper-case hex) that a CRL in PEM revokes.
absl::StatusOr<std::vector<std::string>> RevokedSerials(absl::string_view crl_pem);

// `*` matches any run of characters but '/', everything else itself.
bool MatchesPattern(absl::string_view pattern, absl::string_view name);

}  // namespace entropyd::tls
