// The X.509 objects of a small authority (client/pki/pki.h keeps them in files). Profile: RFC 5280,
// with the SPIFFE ID as URI SAN as X.509-SVID wants it.
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

struct Authority {
  CertPtr cert;
  KeyPtr key;
};

struct Validity {
  absl::Time from;
  absl::Time until;
};

struct Names {
  std::string common_name;
  std::string spiffe_id;  // may be empty
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
};

// INVALID_ARGUMENT "FIELD 'VALUE': why; what to write".
absl::Status CheckCommonName(absl::string_view name);
absl::Status CheckNames(const Names& names);

absl::StatusOr<KeyPtr> NewKey();  // P-256
// Signs itself; may sign leaves and CRLs, no further authority.
absl::StatusOr<CertPtr> MakeRoot(EVP_PKEY* key, absl::string_view common_name,
                                 const Validity& validity);
// REQUIRES: CheckNames(names).ok().
absl::StatusOr<CertPtr> MakeLeaf(const Authority& authority, EVP_PKEY* key, const Names& names,
                                 const Validity& validity);

struct Revoked {
  std::string serial_hex;
  absl::Time time;
};
// `number` must grow from one CRL to the next (RFC 5280 5.2.3).
absl::StatusOr<CrlPtr> MakeCrl(const Authority& authority, absl::Span<const Revoked> revoked,
                               uint64_t number, const Validity& validity);

// Upper-case hex without leading zero bytes, as BN_bn2hex writes it.
std::string SerialHex(const X509* cert);
absl::Time NotAfter(const X509* cert);

}  // namespace entropyd::pki
