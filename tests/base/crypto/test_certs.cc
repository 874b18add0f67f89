#include "tests/base/crypto/test_certs.h"

#include "absl/strings/str_cat.h"
#include "openssl/bio.h"
#include "openssl/ec.h"
#include "openssl/pem.h"
#include "openssl/x509v3.h"

namespace entropyd {
namespace {

template <typename Writer>
std::string ToPem(Writer write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string CertToPem(X509* cert) {
  return ToPem([cert](BIO* bio) { PEM_write_bio_X509(bio, cert); });
}

std::string KeyToPem(EVP_PKEY* key) {
  return ToPem([key](BIO* bio) {
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

void AddCn(X509_NAME* name, const std::string& cn) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(cn.data()),
                             static_cast<int>(cn.size()), -1, 0);
}

void AddAlternativeName(GENERAL_NAMES* names, int type, const std::string& value) {
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
  GENERAL_NAME* name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, type, text);
  sk_GENERAL_NAME_push(names, name);
}

X509* NewCert(EVP_PKEY* key, uint64_t serial, absl::Time not_before, absl::Time not_after) {
  X509* cert = X509_new();
  X509_set_version(cert, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial);
  ASN1_TIME_set(X509_getm_notBefore(cert), absl::ToTimeT(not_before));
  ASN1_TIME_set(X509_getm_notAfter(cert), absl::ToTimeT(not_after));
  X509_set_pubkey(cert, key);
  return cert;
}

}  // namespace

TestCa::TestCa(const std::string& name, const TestCa* issuer, uint64_t serial)
    : key_(EVP_EC_gen("P-256")) {
  const absl::Time now = absl::Now();
  cert_ = NewCert(key_, serial, now - absl::Hours(1), now + absl::Hours(24));
  AddCn(X509_get_subject_name(cert_), name);
  X509_set_issuer_name(cert_, X509_get_subject_name(issuer == nullptr ? cert_ : issuer->cert_));
  X509_EXTENSION* ca =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
  X509_add_ext(cert_, ca, -1);
  X509_EXTENSION_free(ca);
  X509_sign(cert_, issuer == nullptr ? key_ : issuer->key_, EVP_sha256());
}

TestCa::~TestCa() {
  X509_free(cert_);
  EVP_PKEY_free(key_);
}

std::string TestCa::cert_pem() const { return CertToPem(cert_); }

std::string TestCa::Renewed(absl::Time not_after, const TestCa* issuer) const {
  X509* const renewed = X509_dup(cert_);
  ASN1_TIME_set(X509_getm_notAfter(renewed), absl::ToTimeT(not_after));
  X509_sign(renewed, issuer == nullptr ? key_ : issuer->key_, EVP_sha256());
  std::string pem = CertToPem(renewed);
  X509_free(renewed);
  return pem;
}

TestCa::Leaf TestCa::Issue(const Request& request) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = NewCert(key, request.serial, request.not_before, request.not_after);
  for (const std::string& cn : request.cns) AddCn(X509_get_subject_name(cert), cn);
  X509_set_issuer_name(cert, X509_get_subject_name(cert_));
  GENERAL_NAMES* names = sk_GENERAL_NAME_new_null();
  for (const std::string& dns : request.dns) AddAlternativeName(names, GEN_DNS, dns);
  for (const std::string& uri : request.uris) AddAlternativeName(names, GEN_URI, uri);
  if (sk_GENERAL_NAME_num(names) > 0) {
    X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
  }
  GENERAL_NAMES_free(names);
  X509_sign(cert, key_, EVP_sha256());
  Leaf leaf{CertToPem(cert), KeyToPem(key)};
  X509_free(cert);
  EVP_PKEY_free(key);
  return leaf;
}

std::string TestCa::Crl(const std::vector<uint64_t>& revoked_serials,
                        absl::Time next_update) const {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(cert_));
  ASN1_TIME* now = ASN1_TIME_set(nullptr, absl::ToTimeT(absl::Now()));
  X509_CRL_set1_lastUpdate(crl, now);
  ASN1_TIME* due = ASN1_TIME_set(nullptr, absl::ToTimeT(next_update));
  X509_CRL_set1_nextUpdate(crl, due);
  ASN1_TIME_free(due);
  for (uint64_t serial : revoked_serials) {
    X509_REVOKED* revoked = X509_REVOKED_new();
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    ASN1_INTEGER_set_uint64(number, serial);
    X509_REVOKED_set_serialNumber(revoked, number);
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_add0_revoked(crl, revoked);
    ASN1_INTEGER_free(number);
  }
  ASN1_TIME_free(now);
  X509_CRL_sign(crl, key_, EVP_sha256());
  std::string pem = ToPem([crl](BIO* bio) { PEM_write_bio_X509_CRL(bio, crl); });
  X509_CRL_free(crl);
  return pem;
}

}  // namespace entropyd
