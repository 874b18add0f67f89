// OpenSSL's objects out of PEM text, for the files of this folder.
//
//   const std::vector<CertPtr> chain = ReadCerts(pem);
//   if (chain.empty()) return absl::InvalidArgumentError("no certificate in PEM, or a broken one");
//
// Errors: an empty result.
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "openssl/bio.h"
#include "openssl/evp.h"
#include "openssl/x509.h"

namespace entropyd::tls {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Deleter<X509_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, Deleter<X509_CRL_free>>;

// Returns the newest reason in OpenSSL's queue and empties the queue.
std::string OpenSslReason();
// Returns the whole queue with OpenSSL's own words for each error, and empties the queue:
// "unsupported (Algorithm (SHA512 : 97), Properties ()); initialization error".
std::string OpenSslReasons();

// The text outlives the result.
BioPtr MemoryBio(absl::string_view text);

// An encrypted key must fail, not ask for a password on the daemon's terminal.
int NoPassword(char*, int, int, void*);

// Every certificate or CRL of the text. Empty when there is none, or when one is broken.
std::vector<CertPtr> ReadCerts(absl::string_view pem);
std::vector<CrlPtr> ReadCrls(absl::string_view pem);

// InfinitePast when it cannot be read.
absl::Time ToTime(const ASN1_TIME* time);

// As "CN=dc1,O=Example" (RFC 2253).
std::string ShowName(const X509_NAME* name);

}  // namespace entropyd::tls
