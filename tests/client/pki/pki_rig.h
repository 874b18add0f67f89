// An authority in a directory of its own, and what a peer reads of its files.
#pragma once

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/pki/certificate.h"
#include "client/pki/pki.h"
#include "gtest/gtest.h"
#include "openssl/pem.h"
#include "openssl/x509_vfy.h"
#include "openssl/x509v3.h"
#include "tests/temp_dir.h"

namespace entropyd::pki {

using StorePtr = std::unique_ptr<X509_STORE, OpenSslDeleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpenSslDeleter<X509_STORE_CTX_free>>;

inline constexpr absl::Duration kDay = absl::Hours(24);

inline std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline mode_t ModeOf(const std::string& path) {
  struct stat there = {};
  EXPECT_EQ(stat(path.c_str(), &there), 0) << path;
  return there.st_mode & 07777;
}

inline CertPtr ReadCert(const std::string& path) {
  const std::string pem = ReadText(path);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertPtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

inline CrlPtr ReadCrl(const std::string& path) {
  const std::string pem = ReadText(path);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CrlPtr(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
}

// The certificate as `openssl x509 -text` shows its extensions.
inline std::string ShowExtension(const X509* cert, int nid) {
  const int at = X509_get_ext_by_NID(cert, nid, -1);
  if (at < 0) return "absent";
  X509_EXTENSION* extension = X509_get_ext(cert, at);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(bio.get(), extension, 0, 0);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return absl::StrCat(X509_EXTENSION_get_critical(extension) ? "critical " : "",
                      absl::string_view(data, static_cast<size_t>(size)));
}

class PkiTest : public ::testing::Test {
 protected:
  absl::Status InitCa() { return Init(ca_, {.common_name = "test authority"}, now_); }

  Issued MustIssue(const IssueRequest& request) {
    auto issued = Issue(ca_, request, now_);
    EXPECT_TRUE(issued.ok()) << issued.status();
    return issued.ok() ? *issued : Issued{};
  }

  // Verifies as a TLS peer does; X509_V_OK or the reason.
  std::string Verify(const std::string& cert_path, absl::Time at, int purpose,
                     bool check_crl = true) {
    const StorePtr store(X509_STORE_new());
    const CertPtr root = ReadCert(ca_ + "/ca.crt");
    X509_STORE_add_cert(store.get(), root.get());
    const CrlPtr crl = ReadCrl(ca_ + "/crl.pem");
    X509_STORE_add_crl(store.get(), crl.get());
    const CertPtr leaf = ReadCert(cert_path);
    const StoreContextPtr context(X509_STORE_CTX_new());
    X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(at));
    X509_VERIFY_PARAM_set_purpose(param, purpose);
    X509_VERIFY_PARAM_set_flags(param,
                                X509_V_FLAG_X509_STRICT | (check_crl ? X509_V_FLAG_CRL_CHECK : 0));
    X509_verify_cert(context.get());
    return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  }

  const TempDir dir_;
  const std::string root_ = dir_.path();
  const std::string ca_ = dir_ / "ca";
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);  // 2027
};

}  // namespace entropyd::pki
