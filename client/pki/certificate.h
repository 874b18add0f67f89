// Makes the X.509 objects of a small authority (client/pki/pki.h keeps them in files). Profile: RFC
// 5280, with the SPIFFE ID as URI SAN as X.509-SVID wants it.
//
//   KeyPtr key = NewKey().value();
//   CertPtr leaf = MakeLeaf(authority, key.get(), {.common_name = "h7"}, validity).value();
//
// Errors: INVALID_ARGUMENT names the field; INTERNAL carries OpenSSL's reason.
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "openssl/bio.h"
#include "openssl/evp.h"
#include "openssl/x509.h"

namespace entropyd::pki {

// Owns an object of OpenSSL, and frees it with OpenSSL's own function.
template <auto Free>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using BioPtr = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, OpenSslDeleter<X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, OpenSslDeleter<X509_CRL_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslDeleter<EVP_PKEY_free>>;

// INTERNAL "ACTION: OpenSSL's newest reason"; empties OpenSSL's queue.
absl::Status OpenSslError(absl::string_view action);

// Who signs.
struct Authority {
  CertPtr cert;
  KeyPtr key;
};

// Both ends are in whole seconds; X.509 has no fractions.
struct Validity {
  absl::Time from;
  absl::Time until;
};

// Whom a certificate names.
struct Names {
  std::string common_name;
  std::string spiffe_id;  // may be empty
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
};

// Errors: INVALID_ARGUMENT "FIELD 'VALUE': why; what to write".
absl::Status CheckCommonName(absl::string_view name);
absl::Status CheckNames(const Names& names);

// A new private key on P-256.
absl::StatusOr<KeyPtr> NewKey();
// A certificate that signs itself. It may sign leaves and CRLs, but no further authority.
absl::StatusOr<CertPtr> MakeRoot(EVP_PKEY* key, absl::string_view common_name,
                                 const Validity& validity);
// A certificate for a TLS server and client, signed by `authority`.
// REQUIRES: CheckNames(names).ok().
absl::StatusOr<CertPtr> MakeLeaf(const Authority& authority, EVP_PKEY* key, const Names& names,
                                 const Validity& validity);

// One entry of a CRL.
struct Revoked {
  std::string serial_hex;
  absl::Time time;
};
// `number` must grow from one CRL to the next (RFC 5280 5.2.3).
absl::StatusOr<CrlPtr> MakeCrl(const Authority& authority, absl::Span<const Revoked> revoked,
                               uint64_t number, const Validity& validity);

// The serial in upper-case hex without leading zero bytes, as BN_bn2hex writes it.
std::string SerialHex(const X509* cert);
absl::Time NotAfter(const X509* cert);

}  // namespace entropyd::pki
