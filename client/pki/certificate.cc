#include "client/pki/certificate.h"

#include <arpa/inet.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/spiffe_id.h"
#include "openssl/bn.h"
#include "openssl/ec.h"
#include "openssl/err.h"
#include "openssl/rand.h"
#include "openssl/x509v3.h"

namespace entropyd::pki {
namespace {

constexpr size_t kMaxCommonName = 64;  // RFC 5280 appendix A, ub-common-name
// The servers' limit. SPIFFE ID 2.3 allows 2048.
constexpr size_t kMaxSpiffeId = tls::kMaxNameBytes;
constexpr size_t kMaxDnsName = 253;  // RFC 1035 2.3.4, as text
constexpr size_t kMaxDnsLabel = 63;
// RFC 5280 4.1.2.2 asks for an unpredictable positive number of at most 20 bytes.
constexpr int kSerialBytes = 16;

using BnPtr = std::unique_ptr<BIGNUM, OpenSslDeleter<BN_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, OpenSslDeleter<ASN1_TIME_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, OpenSslDeleter<ASN1_INTEGER_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpenSslDeleter<X509_EXTENSION_free>>;
using RevokedPtr = std::unique_ptr<X509_REVOKED, OpenSslDeleter<X509_REVOKED_free>>;
using NamePtr = std::unique_ptr<GENERAL_NAME, OpenSslDeleter<GENERAL_NAME_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslDeleter<GENERAL_NAMES_free>>;

absl::Status Bad(absl::string_view field, absl::string_view value, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field, " '", value, "': ", why));
}

bool IsDnsLabel(absl::string_view label) {
  return !label.empty() && label.size() <= kMaxDnsLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '-';
         });
}

absl::Status CheckDnsName(absl::string_view name) {
  const std::vector<absl::string_view> labels = absl::StrSplit(absl::StripPrefix(name, "*."), '.');
  if (name.size() > kMaxDnsName || !std::all_of(labels.begin(), labels.end(), IsDnsLabel)) {
    return Bad("DNS name", name, "not a host name; write e.g. entropyd-0.entropyd.svc");
  }
  return absl::OkStatus();
}

// Each certificate is somebody's, and the ID of a trust domain names nobody.
absl::Status CheckId(absl::string_view id) {
  constexpr absl::string_view kExample = "; write e.g. spiffe://dc1/agent/h7";
  if (!absl::StartsWith(id, kSpiffeScheme) || id.size() > kMaxSpiffeId) {
    return Bad(
        "SPIFFE ID", id,
        absl::StrCat("not spiffe://DOMAIN/PATH of at most ", kMaxSpiffeId, " bytes", kExample));
  }
  const absl::Status status = CheckSpiffeId(id);
  if (!status.ok()) return Bad("SPIFFE ID", id, absl::StrCat(status.message(), kExample));
  if (!HasSpiffePath(id)) {
    return Bad("SPIFFE ID", id, absl::StrCat("the path needs segments and has none", kExample));
  }
  return absl::OkStatus();
}

struct IpBytes {
  std::array<unsigned char, 16> bytes;
  int size = 0;  // 0 = no address
};

IpBytes ParseIp(const std::string& text) {
  IpBytes ip;
  if (inet_pton(AF_INET, text.c_str(), ip.bytes.data()) == 1)
    ip.size = 4;
  else if (inet_pton(AF_INET6, text.c_str(), ip.bytes.data()) == 1)
    ip.size = 16;
  return ip;
}

bool SetTime(ASN1_TIME* out, absl::Time time) {
  return ASN1_TIME_set(out, absl::ToTimeT(time)) != nullptr;
}

bool SetRandomSerial(X509* cert) {
  unsigned char bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  const BnPtr number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert)) != nullptr;
}

// REQUIRES: `value` is a constant of this file. Text of a user must not get into OpenSSL's
// configuration syntax.
bool AddExtension(X509* cert, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension != nullptr && X509_add_ext(cert, extension.get(), -1) == 1;
}

bool AddText(GENERAL_NAMES* names, int type, absl::string_view text) {
  NamePtr name(GENERAL_NAME_new());
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  if (name == nullptr || value == nullptr) return false;
  GENERAL_NAME_set0_value(name.get(), type, value);
  return ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) == 1 &&
         sk_GENERAL_NAME_push(names, name.release()) > 0;
}

bool AddIp(GENERAL_NAMES* names, const IpBytes& ip) {
  NamePtr name(GENERAL_NAME_new());
  ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
  if (name == nullptr || value == nullptr) return false;
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, value);
  return ASN1_OCTET_STRING_set(value, ip.bytes.data(), ip.size) == 1 &&
         sk_GENERAL_NAME_push(names, name.release()) > 0;
}

bool AddAlternativeNames(X509* cert, const Names& from) {
  const NamesPtr names(sk_GENERAL_NAME_new_null());
  if (names == nullptr) return false;
  if (!from.spiffe_id.empty() && !AddText(names.get(), GEN_URI, from.spiffe_id)) return false;
  for (const std::string& dns : from.dns_names) {
    if (!AddText(names.get(), GEN_DNS, dns)) return false;
  }
  for (const std::string& text : from.ip_addresses) {
    if (!AddIp(names.get(), ParseIp(text))) return false;
  }
  return sk_GENERAL_NAME_num(names.get()) == 0 ||
         X509_add1_ext_i2d(cert, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

// Makes what root and leaf have in common.
CertPtr NewCert(EVP_PKEY* key, absl::string_view common_name, const Validity& validity) {
  CertPtr cert(X509_new());
  if (cert == nullptr) return nullptr;
  const bool ok =
      X509_set_version(cert.get(), X509_VERSION_3) == 1 && SetRandomSerial(cert.get()) &&
      X509_set_pubkey(cert.get(), key) == 1 &&
      SetTime(X509_getm_notBefore(cert.get()), validity.from) &&
      SetTime(X509_getm_notAfter(cert.get()), validity.until) &&
      X509_NAME_add_entry_by_NID(X509_get_subject_name(cert.get()), NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1;
  if (!ok) return nullptr;
  return cert;
}

RevokedPtr NewRevoked(const Revoked& entry) {
  BIGNUM* parsed = nullptr;
  const bool is_hex =
      BN_hex2bn(&parsed, entry.serial_hex.c_str()) == static_cast<int>(entry.serial_hex.size());
  const BnPtr number(parsed);
  const IntegerPtr serial(is_hex && number ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
  const TimePtr time(ASN1_TIME_new());
  RevokedPtr revoked(X509_REVOKED_new());
  if (serial == nullptr || time == nullptr || revoked == nullptr ||
      !SetTime(time.get(), entry.time) ||
      X509_REVOKED_set_serialNumber(revoked.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(revoked.get(), time.get()) != 1) {
    return nullptr;
  }
  return revoked;
}

bool AddCrlExtensions(X509_CRL* crl, X509* issuer, uint64_t number) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
  const ExtensionPtr key_id(
      X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  const IntegerPtr value(ASN1_INTEGER_new());
  return key_id != nullptr && X509_CRL_add_ext(crl, key_id.get(), -1) == 1 && value != nullptr &&
         ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, value.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

}  // namespace

absl::Status OpenSslError(absl::string_view action) {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return absl::InternalError(
      absl::StrCat(action, ": ", reason == nullptr ? "unknown reason" : reason));
}

absl::Status CheckCommonName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxCommonName ||
      std::any_of(name.begin(), name.end(), absl::ascii_iscntrl)) {
    return Bad("common name", absl::CHexEscape(name),
               "must have 1 to 64 bytes and no control characters");
  }
  return absl::OkStatus();
}

absl::Status CheckNames(const Names& names) {
  if (absl::Status s = CheckCommonName(names.common_name); !s.ok()) return s;
  if (!names.spiffe_id.empty()) {
    if (absl::Status s = CheckId(names.spiffe_id); !s.ok()) return s;
  }
  for (const std::string& name : names.dns_names) {
    if (absl::Status s = CheckDnsName(name); !s.ok()) return s;
  }
  for (const std::string& text : names.ip_addresses) {
    if (ParseIp(text).size == 0) {
      return Bad("IP address", text, "not an address; write e.g. 192.0.2.7 or 2001:db8::7");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<KeyPtr> NewKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("make P-256 key");
  return key;
}

absl::StatusOr<CertPtr> MakeRoot(EVP_PKEY* key, absl::string_view common_name,
                                 const Validity& validity) {
  CertPtr cert = NewCert(key, common_name, validity);
  if (cert == nullptr) return OpenSslError("make root certificate");
  X509* c = cert.get();
  const bool ok = X509_set_issuer_name(c, X509_get_subject_name(c)) == 1 &&
                  AddExtension(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                  AddExtension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                  AddExtension(c, c, NID_subject_key_identifier, "hash") &&
                  AddExtension(c, c, NID_authority_key_identifier, "keyid:always") &&
                  X509_sign(c, key, EVP_sha256()) > 0;
  if (!ok) return OpenSslError("sign root certificate");
  return cert;
}

absl::StatusOr<CertPtr> MakeLeaf(const Authority& authority, EVP_PKEY* key, const Names& names,
                                 const Validity& validity) {
  CertPtr cert = NewCert(key, names.common_name, validity);
  if (cert == nullptr) return OpenSslError("make certificate");
  X509* c = cert.get();
  X509* root = authority.cert.get();
  const bool ok = X509_set_issuer_name(c, X509_get_subject_name(root)) == 1 &&
                  AddExtension(c, root, NID_basic_constraints, "critical,CA:FALSE") &&
                  AddExtension(c, root, NID_key_usage, "critical,digitalSignature") &&
                  AddExtension(c, root, NID_ext_key_usage, "serverAuth,clientAuth") &&
                  AddExtension(c, root, NID_subject_key_identifier, "hash") &&
                  AddExtension(c, root, NID_authority_key_identifier, "keyid:always") &&
                  AddAlternativeNames(c, names) &&
                  X509_sign(c, authority.key.get(), EVP_sha256()) > 0;
  if (!ok) return OpenSslError("sign certificate");
  return cert;
}

absl::StatusOr<CrlPtr> MakeCrl(const Authority& authority, absl::Span<const Revoked> revoked,
                               uint64_t number, const Validity& validity) {
  CrlPtr crl(X509_CRL_new());
  const TimePtr from(ASN1_TIME_new());
  const TimePtr until(ASN1_TIME_new());
  const bool made =
      crl != nullptr && from != nullptr && until != nullptr && SetTime(from.get(), validity.from) &&
      SetTime(until.get(), validity.until) &&
      X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1 &&
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(authority.cert.get())) == 1 &&
      X509_CRL_set1_lastUpdate(crl.get(), from.get()) == 1 &&
      X509_CRL_set1_nextUpdate(crl.get(), until.get()) == 1 &&
      AddCrlExtensions(crl.get(), authority.cert.get(), number);
  if (!made) return OpenSslError("make CRL");
  for (const Revoked& entry : revoked) {
    RevokedPtr item = NewRevoked(entry);
    if (item == nullptr || X509_CRL_add0_revoked(crl.get(), item.get()) != 1) {
      return OpenSslError(absl::StrCat("add serial '", entry.serial_hex, "' to CRL"));
    }
    (void)item.release();  // the list owns it now
  }
  if (X509_CRL_sort(crl.get()) != 1 ||
      X509_CRL_sign(crl.get(), authority.key.get(), EVP_sha256()) <= 0) {
    return OpenSslError("sign CRL");
  }
  return crl;
}

std::string SerialHex(const X509* cert) {
  const BnPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), nullptr));
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number.get());
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  return text;
}

absl::Time NotAfter(const X509* cert) {
  tm parts = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &parts) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&parts));
}

}  // namespace entropyd::pki
