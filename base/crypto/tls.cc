#include "base/crypto/tls.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/pem.h"
#include "base/process/read_file.h"
#include "openssl/conf.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"
#include "openssl/x509v3.h"

namespace entropyd::tls {
namespace {

// Much larger than certificates, bundles and CRLs.
constexpr size_t kMaxFileBytes = 16 << 20;

// gRPC sets the minimum version to 1.2 but leaves the options alone, hence `Protocol`. Without
// tickets a mutual handshake costs the server almost half the processor time.
constexpr char kTlsConfiguration[] =
    "entropyd = modules\n"
    "[modules]\n"
    "ssl_conf = contexts\n"
    "[contexts]\n"
    "system_default = strict\n"
    "[strict]\n"
    "MinProtocol = TLSv1.3\n"
    "Protocol = -TLSv1.2\n"
    "Ciphersuites = TLS_AES_256_GCM_SHA384\n"
    "Groups = X25519:P-256\n"
    "NumTickets = 0\n";

constexpr char kOpenSslRemedy[] =
    "look into OpenSSL's configuration (openssl.cnf, or what OPENSSL_CONF names): fips = yes needs "
    "a FIPS provider that is active";

using ConfPtr = std::unique_ptr<CONF, Deleter<NCONF_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using CipherPtr = std::unique_ptr<EVP_CIPHER, Deleter<EVP_CIPHER_free>>;
using MdPtr = std::unique_ptr<EVP_MD, Deleter<EVP_MD_free>>;
using RandPtr = std::unique_ptr<EVP_RAND, Deleter<EVP_RAND_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

// What TLS 1.3 and the generators need. Without it each later error would blame a file or a peer.
absl::Status CheckAlgorithms() {
  // Its configuration may come late otherwise, and then take away what was there.
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CONFIG, nullptr);
  ERR_clear_error();
  const auto lacks = [](const char* name) {
    return absl::FailedPreconditionError(absl::StrCat("configure OpenSSL: it gives no ", name, ": ",
                                                      OpenSslReasons(), "; ", kOpenSslRemedy));
  };
  for (const char* const name : {"SHA256", "SHA512"}) {
    const MdPtr digest(EVP_MD_fetch(nullptr, name, nullptr));
    if (digest == nullptr) return lacks(name);
  }
  const CipherPtr cipher(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  if (cipher == nullptr) return lacks("AES-256-GCM");
  const RandPtr drbg(EVP_RAND_fetch(nullptr, "CTR-DRBG", nullptr));
  if (drbg == nullptr) return lacks("CTR-DRBG");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view what) {
  const std::string action = absl::StrCat("read ", what, " ", path);
  absl::StatusOr<std::string> text = ReadFileAtMost(path, action, kMaxFileBytes + 1);
  if (text.ok() && text->size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(action, ": too large to be PEM"));
  }
  return text;
}

std::string ShowTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// A certificate that signs itself may be its own authority, also without CA:TRUE.
absl::Status CheckAuthority(const std::string& path, absl::string_view pem) {
  const std::vector<CertPtr> cas = ReadCerts(pem);
  const bool usable = std::any_of(cas.begin(), cas.end(), [](const CertPtr& ca) {
    return X509_check_ca(ca.get()) > 0 || X509_check_issued(ca.get(), ca.get()) == X509_V_OK;
  });
  ERR_clear_error();
  if (usable || cas.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "check CA ", path,
      ": no certificate in it may sign others (CA:TRUE); install that of the authority"));
}

absl::Status CheckKey(const std::string& path, absl::string_view pem, const X509* leaf,
                      const std::string& cert_path) {
  BioPtr bio = MemoryBio(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("parse key ", path, ": ", OpenSslReason(),
                                                   "; expected an unencrypted private key in PEM"));
  }
  ERR_clear_error();
  if (X509_check_private_key(leaf, key.get()) == 1) return absl::OkStatus();
  // Only these two say that the keys were compared and differ.
  const unsigned long error = ERR_peek_last_error();
  const bool differ =
      ERR_GET_LIB(error) == ERR_LIB_X509 && (ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH ||
                                             ERR_GET_REASON(error) == X509_R_KEY_TYPE_MISMATCH);
  if (!differ) {
    return absl::FailedPreconditionError(
        absl::StrCat("check key ", path, ": OpenSSL cannot compare it with the certificate ",
                     cert_path, ": ", OpenSslReasons(), "; ", kOpenSslRemedy));
  }
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat("check key ", path, ": it does not belong to the certificate ", cert_path,
                   "; install the two that were issued together"));
}

absl::Status CheckValidity(const std::string& path, const X509* leaf, absl::Time now) {
  const absl::Time not_before = ToTime(X509_get0_notBefore(leaf));
  const absl::Time not_after = ToTime(X509_get0_notAfter(leaf));
  if (now < not_before) {
    return absl::FailedPreconditionError(absl::StrCat("check certificate ", path,
                                                      ": not valid before ", ShowTime(not_before),
                                                      "; is this machine's clock right?"));
  }
  if (now > not_after) {
    return absl::FailedPreconditionError(absl::StrCat("check certificate ", path, ": expired at ",
                                                      ShowTime(not_after), "; issue a new one"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RequireTls13() {
  // Loads the system's own configuration now: if it came later, it would replace ours.
  if (absl::Status algorithms = CheckAlgorithms(); !algorithms.ok()) return algorithms;
  ConfPtr conf(NCONF_new(nullptr));
  BioPtr bio = MemoryBio(kTlsConfiguration);
  if (conf == nullptr || NCONF_load_bio(conf.get(), bio.get(), nullptr) != 1 ||
      CONF_modules_load(conf.get(), "entropyd", 0) != 1) {
    return absl::InternalError(absl::StrCat("configure OpenSSL: ", OpenSslReasons()));
  }
  ContextPtr probe(SSL_CTX_new(TLS_method()));
  if (probe == nullptr) {
    return absl::InternalError(absl::StrCat("configure OpenSSL: ", OpenSslReasons()));
  }
  if ((SSL_CTX_get_options(probe.get()) & SSL_OP_NO_TLSv1_2) == 0) {
    return absl::InternalError("configure OpenSSL: TLS 1.2 is still on");
  }
  return absl::OkStatus();
}

absl::StatusOr<Authorities> LoadAuthorities(const std::string& ca, const std::string& crl) {
  if (absl::Status algorithms = CheckAlgorithms(); !algorithms.ok()) return algorithms;
  Authorities authorities;
  absl::StatusOr<std::string> text = ReadPem(ca, "CA");
  if (!text.ok()) return text.status();
  authorities.ca_pem = *std::move(text);
  if (!crl.empty()) {
    text = ReadPem(crl, "CRL");
    if (!text.ok()) return text.status();
    authorities.crl_pem = *std::move(text);
  }
  absl::Status status = CheckAuthority(ca, authorities.ca_pem);
  if (!status.ok()) return status;
  absl::StatusOr<std::shared_ptr<const Trust>> trust =
      Trust::Create({ca, authorities.ca_pem}, {crl, authorities.crl_pem});
  if (!trust.ok()) return trust.status();
  authorities.trust = *std::move(trust);
  return authorities;
}

absl::StatusOr<Material> LoadMaterial(const std::string& cert, const std::string& key,
                                      const std::string& ca, const std::string& crl,
                                      absl::Time now) {
  absl::StatusOr<std::string> cert_pem = ReadPem(cert, "certificate");
  if (!cert_pem.ok()) return cert_pem.status();
  absl::StatusOr<std::string> key_pem = ReadPem(key, "key");
  if (!key_pem.ok()) return key_pem.status();
  absl::StatusOr<Authorities> authorities = LoadAuthorities(ca, crl);
  if (!authorities.ok()) return authorities.status();

  const std::vector<CertPtr> chain = ReadCerts(*cert_pem);
  if (chain.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("parse certificate ", cert, ": no certificate in PEM, or a broken one"));
  }
  const X509* leaf = chain.front().get();
  absl::Status status = CheckKey(key, *key_pem, leaf, cert);
  if (!status.ok()) return status;
  status = CheckValidity(cert, leaf, now);
  if (!status.ok()) return status;
  absl::StatusOr<PeerIdentity> identity = IdentityOfPem(*cert_pem);
  if (!identity.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("check certificate ", cert, ": ", identity.status().message()));
  }
  return Material{.cert_pem = *std::move(cert_pem),
                  .key_pem = *std::move(key_pem),
                  .ca_pem = std::move(authorities->ca_pem),
                  .crl_pem = std::move(authorities->crl_pem),
                  .trust = std::move(authorities->trust),
                  .not_after = ToTime(X509_get0_notAfter(leaf)),
                  .identity = std::move(identity->name)};
}

absl::string_view MaterialKey(const absl::Status& error) {
  // Each of those messages begins with a verb and the file's kind: "read certificate PATH".
  const std::vector<absl::string_view> words =
      absl::StrSplit(error.message(), absl::MaxSplits(' ', 2));
  if (words.size() < 3) return "";
  if (words[1] == "certificate") return "cert";
  if (words[1] == "key") return "key";
  if (words[1] == "CA") return "ca";
  if (words[1] == "CRL") return "crl";
  return "";
}

}  // namespace entropyd::tls
