// Certificates and the TLS rules of this project, by OpenSSL and without gRPC
// (base/wire/grpc_credentials.h makes gRPC's credentials of them).
//
//   tls::RequireTls13();   // first of all
//   auto material = tls::LoadMaterial(cert, key, ca, /*crl=*/"", clock.WallTime());
//   if (!material.ok()) return material.status();
//
// Errors: of each function; a message names the file and the remedy.
//
// Thread safety: functions without state, but for RequireTls13(), which comes before all threads.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/crypto/trust.h"

namespace entropyd::tls {

// Makes TLS 1.3 the only version in this process (TLS_AES_256_GCM_SHA384, X25519 and P-256, no
// session tickets). It sets OpenSSL's process-wide configuration, because gRPC 1.51 accepts TLS 1.2
// and has no setter. REQUIRES: called before gRPC or any TLS context is made.
absl::Status RequireTls13();

// PEM files that were read and checked together.
struct Material {
  std::string cert_pem;  // leaf first
  std::string key_pem;
  std::string ca_pem;
  std::string crl_pem;  // empty = none
  // What ca_pem and crl_pem say of other certificates.
  std::shared_ptr<const Trust> trust;
  absl::Time not_after;  // the leaf's
  std::string identity;  // the leaf's name, PeerIdentity::name
};

// Reads the files. Checks that all of them parse, that the key fits the certificate, that the leaf
// is valid now and that the CA file holds an authority. CRLs have to be signed by CAs of the
// bundle; their path may be empty. Errors, each with the file and the remedy: NOT_FOUND or
// PERMISSION_DENIED (file), INVALID_ARGUMENT (content), FAILED_PRECONDITION (expired, not yet
// valid; OpenSSL's configuration takes away what TLS 1.3 needs, in OpenSSL's own words).
absl::StatusOr<Material> LoadMaterial(const std::string& cert, const std::string& key,
                                      const std::string& ca, const std::string& crl,
                                      absl::Time now);

// The part of Material that says who is trusted.
struct Authorities {
  std::string ca_pem;
  std::string crl_pem;  // empty = none
  std::shared_ptr<const Trust> trust;
};

// As LoadMaterial(), without a certificate of one's own. So a server whose own certificate is
// broken still learns who is revoked.
absl::StatusOr<Authorities> LoadAuthorities(const std::string& ca, const std::string& crl);

// Which file an error of LoadMaterial() is about: "cert", "key", "ca", "crl"; "" when it is about
// none of them alone. With it a configuration's error names the place of that key.
absl::string_view MaterialKey(const absl::Status& error);

}  // namespace entropyd::tls
