#include "base/crypto/pem.h"

#include <time.h>

#include "absl/strings/str_cat.h"
#include "openssl/err.h"
#include "openssl/pem.h"

namespace entropyd::tls {
namespace {

template <typename Ptr, typename Reader>
std::vector<Ptr> ReadAll(absl::string_view pem, Reader read_one) {
  std::vector<Ptr> all;
  BioPtr bio = MemoryBio(pem);
  ERR_clear_error();
  while (auto* one = read_one(bio.get(), nullptr, NoPassword, nullptr)) all.emplace_back(one);
  const unsigned long error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) all.clear();
  ERR_clear_error();
  return all;
}

}  // namespace

std::string OpenSslReason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

std::string OpenSslReasons() {
  std::string reasons;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const char* const reason = ERR_reason_error_string(code);
    const bool has_text = (flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0';
    absl::StrAppend(&reasons, reasons.empty() ? "" : "; ",
                    reason == nullptr ? absl::StrCat("error ", absl::Hex(code)) : reason,
                    has_text ? absl::StrCat(" (", data, ")") : "");
  }
  return reasons.empty() ? "unknown reason" : reasons;
}

BioPtr MemoryBio(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int NoPassword(char*, int, int, void*) { return 0; }

std::vector<CertPtr> ReadCerts(absl::string_view pem) {
  return ReadAll<CertPtr>(pem, PEM_read_bio_X509);
}

std::vector<CrlPtr> ReadCrls(absl::string_view pem) {
  return ReadAll<CrlPtr>(pem, PEM_read_bio_X509_CRL);
}

absl::Time ToTime(const ASN1_TIME* time) {
  tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&parts));
}

std::string ShowName(const X509_NAME* name) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : "";
}

}  // namespace entropyd::tls
