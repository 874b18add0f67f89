#include "base/crypto/peer_identity.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/pem.h"
#include "base/crypto/spiffe_id.h"
#include "openssl/bn.h"
#include "openssl/x509v3.h"

namespace entropyd::tls {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

std::string SerialHex(const ASN1_INTEGER* serial) {
  BIGNUM* number = ASN1_INTEGER_to_BN(serial, nullptr);
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number);
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  BN_free(number);
  return text;
}

// A name from a certificate, all of whose characters `fits`.
absl::StatusOr<std::string> SafeName(const ASN1_STRING* string, absl::string_view type,
                                     bool (*fits)(unsigned char)) {
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, string);
  std::string name(reinterpret_cast<char*>(utf8), static_cast<size_t>(std::max(length, 0)));
  OPENSSL_free(utf8);
  if (name.empty() || name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ", type, " in the certificate is empty or longer than ", kMaxNameBytes, " bytes"));
  }
  if (!std::all_of(name.begin(), name.end(), fits)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", type, " in the certificate has a character that a ", type,
                     " cannot have: '", absl::CHexEscape(name), "'"));
  }
  return name;
}

bool FitsUri(unsigned char c) { return absl::ascii_isgraph(c); }
bool FitsDns(unsigned char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '*';
}
bool FitsCommonName(unsigned char c) { return absl::ascii_isprint(c) && c != ':' && c != '/'; }

// The SPIFFE URI, else the first DNS name; NOT_FOUND when there is neither.
absl::StatusOr<std::string> AlternativeName(const X509* cert) {
  NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
  std::string spiffe, dns;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(names.get(), i);
    if (entry->type == GEN_DNS) {
      absl::StatusOr<std::string> name = SafeName(entry->d.ia5, "DNS name", FitsDns);
      if (!name.ok()) return name.status();
      if (dns.empty()) dns = absl::StrCat("dns:", absl::AsciiStrToLower(*name));
    } else if (entry->type == GEN_URI) {
      absl::StatusOr<std::string> name = SafeName(entry->d.ia5, "URI", FitsUri);
      if (!name.ok()) return name.status();
      if (!absl::StartsWithIgnoreCase(*name, kSpiffeScheme)) continue;
      if (absl::Status status = CheckSpiffeId(*name); !status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", *name, "' in the certificate is no SPIFFE ID: ", status.message()));
      }
      if (!spiffe.empty()) {
        return absl::InvalidArgumentError("the certificate has more than one SPIFFE URI");
      }
      spiffe = *std::move(name);
    }
  }
  if (!spiffe.empty()) return spiffe;
  if (!dns.empty()) return dns;
  return absl::NotFoundError("no alternative name");
}

absl::StatusOr<std::string> CommonName(const X509* cert) {
  const X509_NAME* subject = X509_get_subject_name(cert);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) {
    return absl::InvalidArgumentError(
        "the certificate names nobody; issue one with a SPIFFE URI, a DNS name or a CN");
  }
  if (X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0) {
    return absl::InvalidArgumentError("the certificate has more than one CN");
  }
  const absl::StatusOr<std::string> name =
      SafeName(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)), "CN", FitsCommonName);
  if (!name.ok()) return name.status();
  return absl::StrCat("cn:", *name);
}

absl::StatusOr<PeerIdentity> IdentityOf(const X509* cert) {
  absl::StatusOr<std::string> name = AlternativeName(cert);
  if (absl::IsNotFound(name.status())) name = CommonName(cert);
  if (!name.ok()) return name.status();
  return PeerIdentity{.name = *std::move(name),
                      .serial_hex = SerialHex(X509_get0_serialNumber(cert))};
}

}  // namespace

absl::StatusOr<PeerIdentity> IdentityOfPem(absl::string_view cert_pem) {
  const std::vector<CertPtr> chain = ReadCerts(cert_pem);
  if (chain.empty()) return absl::InvalidArgumentError("parse certificate: no certificate in PEM");
  return IdentityOf(chain.front().get());
}

absl::StatusOr<std::vector<std::string>> RevokedSerials(absl::string_view crl_pem) {
  const std::vector<CrlPtr> crls = ReadCrls(crl_pem);
  if (crls.empty()) return absl::InvalidArgumentError("parse CRL: no revocation list in PEM");
  std::vector<std::string> serials;
  for (const CrlPtr& crl : crls) {
    STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl.get());
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
      serials.push_back(
          SerialHex(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i))));
    }
  }
  return serials;
}

}  // namespace entropyd::tls
