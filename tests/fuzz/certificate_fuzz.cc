// One input = the names in a certificate, each a kind, a length and its bytes; behind a first byte
// of 255, the DER of a whole certificate. See README.md.
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/pem.h"
#include "openssl/crypto.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/x509v3.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/input.h"

namespace entropyd {
namespace {

enum class Kind { kUri, kDns, kCommonName, kMail, kSpiffe, kAddress };
constexpr size_t kKinds = 6;
struct Name {
  Kind kind;
  std::string text;
};

tls::CertPtr SelfSigned() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  tls::CertPtr cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 7);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  X509_set_pubkey(cert.get(), key);
  FUZZ_CHECK(X509_sign(cert.get(), key, EVP_sha256()) > 0);
  EVP_PKEY_free(key);
  // OpenSSL spends most of its time on keys that it knows.
  uint8_t* const no_key = static_cast<uint8_t*>(OPENSSL_zalloc(1));
  FUZZ_CHECK(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert.get()), OBJ_txt2obj("1.2.3.4", 1),
                                    V_ASN1_UNDEF, nullptr, no_key, 1) == 1);
  return cert;
}

std::string Pem(X509* cert) {
  tls::BioPtr bio(BIO_new(BIO_s_mem()));
  FUZZ_CHECK(PEM_write_bio_X509(bio.get(), cert) == 1);
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(bytes));
}

void AddAlternative(GENERAL_NAMES* names, int type, const std::string& text) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_STRING* const string =
      ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  ASN1_STRING_set(string, text.data(), static_cast<int>(text.size()));
  GENERAL_NAME_set0_value(name, type, string);
  sk_GENERAL_NAME_push(names, name);
}

std::string Certificate(const std::vector<Name>& names) {
  static const tls::CertPtr* const model = new tls::CertPtr(SelfSigned());
  const tls::CertPtr cert(X509_dup(model->get()));
  GENERAL_NAMES* const alternatives = sk_GENERAL_NAME_new_null();
  X509_NAME* const subject = X509_NAME_new();
  for (const Name& name : names) {
    switch (name.kind) {
      case Kind::kUri:
      case Kind::kSpiffe:
        AddAlternative(alternatives, GEN_URI, name.text);
        break;
      case Kind::kDns:
        AddAlternative(alternatives, GEN_DNS, name.text);
        break;
      case Kind::kMail:
        AddAlternative(alternatives, GEN_EMAIL, name.text);
        break;
      case Kind::kAddress:
        AddAlternative(alternatives, GEN_IPADD, name.text);
        break;
      case Kind::kCommonName:
        X509_NAME_add_entry_by_NID(subject, NID_commonName, V_ASN1_UTF8STRING,
                                   reinterpret_cast<const unsigned char*>(name.text.data()),
                                   static_cast<int>(name.text.size()), -1, 0);
        break;
    }
  }
  X509_set_subject_name(cert.get(), subject);
  if (sk_GENERAL_NAME_num(alternatives) > 0) {
    X509_add1_ext_i2d(cert.get(), NID_subject_alt_name, alternatives, 0, X509V3_ADD_APPEND);
  }
  X509_NAME_free(subject);
  GENERAL_NAMES_free(alternatives);
  // The signature is the model's; nobody here looks at it.
  FUZZ_CHECK(i2d_re_X509_tbs(cert.get(), nullptr) > 0);
  return Pem(cert.get());
}

// The second implementation, written from the text of peer_identity.h and the SPIFFE ID
// specification.
bool AllOf(absl::string_view text, absl::string_view besides) {
  for (const unsigned char c : text) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains(besides, static_cast<char>(c))) return false;
  }
  return true;
}

bool IsSpiffeId(absl::string_view id) {
  if (!absl::StartsWith(id, "spiffe://")) return false;
  std::vector<std::string> parts = absl::StrSplit(id.substr(9), '/');
  for (const char c : parts[0]) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c))) return false;
  }
  // The specification forbids "." and ".." in paths only; here a trust domain is neither.
  for (const std::string& part : parts) {
    if (part.empty() || part == "." || part == ".." || !AllOf(part, "-._")) return false;
  }
  return true;
}

// nullopt = refused.
std::optional<std::string> Expected(const std::vector<Name>& names) {
  std::string spiffe, dns;
  std::vector<std::string> common;
  for (const Name& name : names) {
    const std::string& text = name.text;
    const bool fits = !text.empty() && text.size() <= tls::kMaxNameBytes;
    if (name.kind == Kind::kDns) {
      if (!fits || !AllOf(text, "-_.*")) return std::nullopt;
      if (dns.empty()) dns = "dns:" + absl::AsciiStrToLower(text);
    } else if (name.kind == Kind::kUri || name.kind == Kind::kSpiffe) {
      if (!fits) return std::nullopt;
      for (const unsigned char c : text) {
        if (c <= 0x20 || c >= 0x7f) return std::nullopt;
      }
      if (absl::AsciiStrToLower(text).rfind("spiffe://", 0) != 0) continue;
      if (!IsSpiffeId(text) || !spiffe.empty()) return std::nullopt;
      spiffe = text;
    } else if (name.kind == Kind::kCommonName) {
      common.push_back(text);
    }
  }
  if (!spiffe.empty()) return spiffe;
  if (!dns.empty()) return dns;
  if (common.size() != 1 || common[0].empty() || common[0].size() > tls::kMaxNameBytes) {
    return std::nullopt;
  }
  for (const unsigned char c : common[0]) {
    if (c < 0x20 || c >= 0x7f || c == ':' || c == '/') return std::nullopt;
  }
  return "cn:" + common[0];
}

void CheckSafe(absl::string_view text) {
  for (const unsigned char c : text) FUZZ_CHECK(c >= 0x20 && c != 0x7f);
}

void Whole(absl::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const tls::CertPtr cert(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (cert == nullptr) return;
  const auto identity = tls::IdentityOfPem(Pem(cert.get()));
  CheckSafe(identity.ok() ? identity->name : std::string(identity.status().message()));
  if (!identity.ok()) return;
  FUZZ_CHECK(identity->name.size() <= tls::kMaxNameBytes + 4);
  FUZZ_CHECK(absl::StartsWith(identity->name, "dns:") || absl::StartsWith(identity->name, "cn:") ||
             IsSpiffeId(identity->name));
}

void Named(fuzz::Input input) {
  std::vector<Name> names;
  while (!input.done() && names.size() < 16) {
    const auto kind = static_cast<Kind>(input.Byte() % kKinds);
    std::string text(input.Text());
    // Longer than one byte says, so that the bound is met.
    if (text.size() > 250) text += std::string(text.size() - 250, 'l');
    if (kind == Kind::kSpiffe) text = "spiffe://" + text;
    if (kind == Kind::kAddress) text = std::string(4, '\1');
    // OpenSSL refuses to make such a name.
    if (kind == Kind::kCommonName && text.empty()) text = "\x1f";
    names.push_back({kind, text});
  }
  const auto identity = tls::IdentityOfPem(Certificate(names));
  const std::optional<std::string> expected = Expected(names);
  FUZZ_CHECK(identity.ok() == expected.has_value());
  if (!identity.ok()) return CheckSafe(identity.status().message());
  FUZZ_CHECK(identity->name == *expected);
  FUZZ_CHECK(identity->serial_hex == "07");
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (!text.empty() && text[0] == '\xff') {
    entropyd::Whole(text.substr(1));
  } else {
    entropyd::Named({data, size});
  }
  // Or libFuzzer takes what OpenSSL keeps for a leak, and looks for it.
  ERR_clear_error();
  return 0;
}
