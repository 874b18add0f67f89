// A throw-away CA for tests, on OpenSSL's API alone.
//
//   TestCa ca("DEV");
//   TestCa::Leaf leaf = ca.Issue({.uris = {"spiffe://dc1/agent/h7"}, .cns = {"h7"}});
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "openssl/evp.h"
#include "openssl/x509.h"

namespace entropyd {

class TestCa {
 public:
  struct Request {
    std::vector<std::string> uris = {};
    std::vector<std::string> dns = {};
    std::vector<std::string> cns = {};
    absl::Time not_before = absl::Now() - absl::Hours(1);
    absl::Time not_after = absl::Now() + absl::Hours(1);
    uint64_t serial = 0x1f;
  };
  struct Leaf {
    std::string cert_pem;
    std::string key_pem;
  };

  // A root, or a CA that `issuer` has signed.
  explicit TestCa(const std::string& name, const TestCa* issuer = nullptr, uint64_t serial = 1);
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  std::string cert_pem() const;
  // The same CA, as a certificate that ends then: same name, key, issuer and serial.
  std::string Renewed(absl::Time not_after, const TestCa* issuer = nullptr) const;
  Leaf Issue(const Request& request) const;
  // Due at once, unless said otherwise.
  std::string Crl(const std::vector<uint64_t>& revoked_serials,
                  absl::Time next_update = absl::Now()) const;

 private:
  EVP_PKEY* key_ = nullptr;
  X509* cert_ = nullptr;
};

}  // namespace entropyd
