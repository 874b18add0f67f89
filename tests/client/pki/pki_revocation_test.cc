// What an authority revokes is on its list, and nothing of the list is ever lost.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crypto/peer_identity.h"
#include "client/pki/certificate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/ssl.h"
#include "openssl/x509v3.h"
#include "tests/client/pki/pki_rig.h"

namespace entropyd::pki {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
namespace fs = std::filesystem;

TEST_F(PkiTest, RevokedCertificateIsOnTheListAndOthersAreNot) {
  ASSERT_TRUE(InitCa().ok());
  const Issued good = MustIssue({.name = "good"});
  const Issued bad = MustIssue({.name = "bad"});
  const Issued worse = MustIssue({.name = "worse"});
  EXPECT_THAT(*tls::RevokedSerials(ReadText(ca_ + "/crl.pem")), IsEmpty());

  const auto serial = Revoke(ca_, ReadText(bad.cert_path), now_);
  ASSERT_TRUE(serial.ok()) << serial.status();
  EXPECT_EQ(*serial, bad.serial_hex);
  ASSERT_TRUE(Revoke(ca_, ReadText(worse.cert_path), now_ + kDay).ok());

  EXPECT_THAT(*tls::RevokedSerials(ReadText(ca_ + "/crl.pem")),
              UnorderedElementsAre(bad.serial_hex, worse.serial_hex));
  EXPECT_EQ(Verify(good.cert_path, now_ + 2 * kDay, X509_PURPOSE_SSL_CLIENT), "ok");
  for (const Issued& revoked : {bad, worse}) {
    EXPECT_THAT(Verify(revoked.cert_path, now_ + 2 * kDay, X509_PURPOSE_SSL_CLIENT),
                HasSubstr("revoked"));
  }
  EXPECT_EQ(ReadText(ca_ + "/revoked.txt"),
            absl::StrCat(bad.serial_hex, " 2027-01-15T08:00:00Z\n", worse.serial_hex,
                         " 2027-01-16T08:00:00Z\n"));
  EXPECT_EQ(ModeOf(ca_ + "/crl.pem"), 0644u);
}

TEST_F(PkiTest, RevokingAgainOnlyWritesTheListAnew) {
  ASSERT_TRUE(InitCa().ok());
  const Issued bad = MustIssue({.name = "bad"});
  ASSERT_TRUE(Revoke(ca_, ReadText(bad.cert_path), now_).ok());
  const std::string index = ReadText(ca_ + "/revoked.txt");
  ASSERT_EQ(unlink((ca_ + "/crl.pem").c_str()), 0);  // as if the first try had died half-way
  ASSERT_TRUE(Revoke(ca_, ReadText(bad.cert_path), now_ + kDay).ok());
  EXPECT_EQ(ReadText(ca_ + "/revoked.txt"), index);
  EXPECT_THAT(*tls::RevokedSerials(ReadText(ca_ + "/crl.pem")), ElementsAre(bad.serial_hex));
}

TEST_F(PkiTest, CrlNumberGrows) {
  ASSERT_TRUE(InitCa().ok());
  std::vector<int64_t> numbers;
  for (int i = 0; i < 3; ++i) {
    const CrlPtr crl = ReadCrl(ca_ + "/crl.pem");
    auto* number = static_cast<ASN1_INTEGER*>(
        X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, nullptr, nullptr));
    numbers.push_back(ASN1_INTEGER_get(number));
    ASN1_INTEGER_free(number);
    const Issued issued = MustIssue({.name = absl::StrCat("h", i)});
    ASSERT_TRUE(Revoke(ca_, ReadText(issued.cert_path), now_).ok());
  }
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2));
}

TEST_F(PkiTest, OnlyOwnLeavesCanBeRevoked) {
  ASSERT_TRUE(InitCa().ok());
  ASSERT_TRUE(Init(root_ + "/other", {.common_name = "test authority"}, now_).ok());
  const auto foreign = Issue(root_ + "/other", {.name = "h7"}, now_);
  ASSERT_TRUE(foreign.ok());
  const struct {
    std::string pem;
    const char* says;
  } cases[] = {{ReadText(foreign->cert_path), "another authority"},
               {ReadText(ca_ + "/ca.crt"), "the root itself"},
               {"hello", "not a certificate in PEM"},
               {"", "not a certificate in PEM"}};
  for (const auto& c : cases) {
    const auto revoked = Revoke(ca_, c.pem, now_);
    EXPECT_EQ(revoked.status().code(), absl::StatusCode::kInvalidArgument) << c.says;
    EXPECT_THAT(revoked.status().message(), HasSubstr(c.says));
  }
  EXPECT_FALSE(fs::exists(ca_ + "/revoked.txt"));
}

TEST_F(PkiTest, DamagedIndexIsNotOverwritten) {
  ASSERT_TRUE(InitCa().ok());
  const Issued issued = MustIssue({.name = "h7"});
  for (const std::string damaged : {"nonsense\n", "XYZ 2027-01-15T08:00:00Z\n", "AB yesterday\n"}) {
    WriteText(ca_ + "/revoked.txt", damaged);
    const auto revoked = Revoke(ca_, ReadText(issued.cert_path), now_);
    EXPECT_EQ(revoked.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(revoked.status().message(), HasSubstr("revoked.txt:1:"));
    EXPECT_EQ(ReadText(ca_ + "/revoked.txt"), damaged);
  }
}

TEST_F(PkiTest, ConcurrentRevocationsLoseNothing) {
  ASSERT_TRUE(InitCa().ok());
  std::vector<Issued> issued;
  for (int i = 0; i < 8; ++i) issued.push_back(MustIssue({.name = absl::StrCat("h", i)}));
  std::vector<std::thread> threads;
  for (const Issued& one : issued) {
    threads.emplace_back(
        [this, &one] { EXPECT_TRUE(Revoke(ca_, ReadText(one.cert_path), now_).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tls::RevokedSerials(ReadText(ca_ + "/crl.pem"))->size(), issued.size());
}

}  // namespace
}  // namespace entropyd::pki
