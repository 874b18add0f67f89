#include "base/crypto/trust.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/crypto/test_certs.h"

namespace entropyd::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TrustTest : public ::testing::Test {
 protected:
  static absl::StatusOr<std::shared_ptr<const Trust>> Make(const std::string& ca_pem,
                                                           const std::string& crl_pem) {
    const std::string ca = "ca", crl = crl_pem.empty() ? "" : "crl";
    return Trust::Create({ca, ca_pem}, {crl, crl_pem});
  }
  // What a bundle and its lists say of a leaf, and of what is sent besides it.
  static std::string Verdict(const std::string& ca_pem, const std::string& crl_pem,
                             const std::string& leaf_pem, const std::string& chain_pem = "") {
    const auto trust = Make(ca_pem, crl_pem);
    return trust.ok() ? (*trust)->Check(leaf_pem, chain_pem).ToString() : trust.status().ToString();
  }
  static std::string Leaf(const TestCa& ca, uint64_t serial) {
    return ca.Issue({.cns = {"x"}, .serial = serial}).cert_pem;
  }

  const TestCa root_{"ROOT"};
  const TestCa middle_{"MIDDLE", &root_, 5};
  const TestCa other_{"OTHER"};
};

TEST_F(TrustTest, WhoLeadsToACaOfTheBundleMayComeInAndNobodyElse) {
  EXPECT_EQ(Verdict(root_.cert_pem(), "", Leaf(root_, 7)), "OK");
  EXPECT_EQ(Verdict(root_.cert_pem(), "", Leaf(middle_, 7), middle_.cert_pem()), "OK");
  EXPECT_EQ(Verdict(middle_.cert_pem(), "", Leaf(middle_, 7)), "OK") << "without the one above it";
  EXPECT_THAT(Verdict(root_.cert_pem(), "", Leaf(middle_, 7)), HasSubstr("UNAUTHENTICATED"));
  EXPECT_THAT(Verdict(root_.cert_pem(), "", Leaf(other_, 7)),
              HasSubstr("leads to no CA that is trusted here"));
  EXPECT_THAT(Verdict(root_.cert_pem(), "", Leaf(TestCa("ROOT"), 7)), HasSubstr("UNAUTHENTICATED"));
  EXPECT_THAT(Verdict(root_.cert_pem(), "", ""), HasSubstr("UNAUTHENTICATED"));
}

TEST_F(TrustTest, ARevokedLeafIsLookedUpWithItsIssuer) {
  const std::string both = root_.cert_pem() + other_.cert_pem();
  const std::string list = root_.Crl({7});
  EXPECT_EQ(Verdict(both, list, Leaf(root_, 7)), "PERMISSION_DENIED: is revoked");
  EXPECT_EQ(Verdict(both, list, Leaf(root_, 8)), "OK");
  EXPECT_EQ(Verdict(both, list, Leaf(other_, 7)), "OK") << "two CAs may use the same serial";
}

TEST_F(TrustTest, ARevokedCaOnTheWayRevokesAllThatItSigned) {
  const std::string list = root_.Crl({5});
  const std::string revoked =
      "PERMISSION_DENIED: is signed by CN=MIDDLE, whose own certificate is revoked";
  EXPECT_EQ(Verdict(root_.cert_pem(), list, Leaf(middle_, 7), middle_.cert_pem()), revoked);
  const std::string both = root_.cert_pem() + middle_.cert_pem();
  EXPECT_EQ(Verdict(both, list, Leaf(middle_, 7)), revoked) << "the peer need not send it";
  EXPECT_EQ(Verdict(both, list, Leaf(middle_, 5)), revoked);
  EXPECT_EQ(Verdict(both, list, Leaf(root_, 7)), "OK");
}

TEST_F(TrustTest, SeveralListsInOneFileAddUp) {
  const std::string both = root_.cert_pem() + middle_.cert_pem();
  const std::string lists = root_.Crl({1000}) + middle_.Crl({7}) + root_.Crl({8});
  EXPECT_EQ(Verdict(both, lists, Leaf(middle_, 7)), "PERMISSION_DENIED: is revoked");
  EXPECT_EQ(Verdict(both, lists, Leaf(root_, 8)), "PERMISSION_DENIED: is revoked");
  EXPECT_EQ(Verdict(both, lists, Leaf(root_, 7)), "OK");
  EXPECT_EQ(Verdict(both, lists, Leaf(middle_, 8)), "OK");
}

TEST_F(TrustTest, AListThatNoCaOfTheBundleSignedIsNamed) {
  const std::string complaint =
      "check CRL crl: the list of CN=OTHER is not signed by a certificate of ca; install the list "
      "that this CA issued";
  EXPECT_EQ(Make(root_.cert_pem(), root_.Crl({1}) + other_.Crl({2})).status().message(), complaint);
  EXPECT_EQ(Make(root_.cert_pem(), other_.Crl({2})).status().message(), complaint);
  const TestCa forged("ROOT");
  EXPECT_THAT(Make(root_.cert_pem(), forged.Crl({2})).status().message(),
              HasSubstr("the list of CN=ROOT is not signed"));
}

TEST_F(TrustTest, ABrokenListIsAnErrorAndNotAnEmptyOne) {
  std::string cut = root_.Crl({1}) + root_.Crl({2});
  cut.resize(cut.size() - 30);
  EXPECT_FALSE(Make(root_.cert_pem(), cut).ok());
  EXPECT_FALSE(Make(root_.cert_pem(), root_.cert_pem()).ok());
  EXPECT_FALSE(Make("", root_.Crl({1})).ok());
}

TEST_F(TrustTest, AnOldListIsToldAndStillUsed) {
  const absl::Time now = absl::Now();
  const std::string lists =
      root_.Crl({7}, now - absl::Hours(1)) + root_.Crl({}, now + absl::Hours(1));
  const auto trust = Make(root_.cert_pem(), lists).value();
  EXPECT_THAT(trust->StaleLists(now), ElementsAre(HasSubstr("CN=ROOT, due ")));
  EXPECT_THAT(trust->StaleLists(now - absl::Hours(2)), IsEmpty());
  EXPECT_LT(absl::AbsDuration(trust->next_update() - (now - absl::Hours(1))), absl::Seconds(2));
  EXPECT_FALSE(trust->Check(Leaf(root_, 7), "").ok());
  EXPECT_EQ(Make(root_.cert_pem(), "").value()->next_update(), absl::InfiniteFuture());
}

TEST_F(TrustTest, OfACaThatWasRenewedThatOneCountsThatIsValid) {
  const absl::Time now = absl::Now();
  const std::string old = root_.Renewed(now + absl::Minutes(10));
  const absl::Time leaf_end = now + absl::Hours(2);
  const std::string leaf = root_.Issue({.cns = {"x"}, .not_after = leaf_end}).cert_pem;
  for (const std::string& bundle : {old + root_.cert_pem(), root_.cert_pem() + old}) {
    const auto trust = Make(bundle, "").value();
    absl::Time end;
    EXPECT_TRUE(trust->CheckAt(now + absl::Minutes(11), leaf, "", &end).ok());
    EXPECT_LT(absl::AbsDuration(end - leaf_end), absl::Seconds(2)) << end;
    EXPECT_TRUE(trust->CheckAt(now, leaf, "", &end).ok());
    EXPECT_GT(end, now);
    EXPECT_TRUE(trust->CheckAt(now + absl::Hours(3), leaf, "", &end).ok());
    EXPECT_LT(end, now + absl::Hours(3)) << "none is valid then, and the end tells so";
  }
}

TEST_F(TrustTest, OfACaBetweenThatWasRenewedThatOneCountsThatIsValid) {
  const absl::Time now = absl::Now();
  const std::string old = middle_.Renewed(now - absl::Minutes(10), &root_);
  const std::string leaf = Leaf(middle_, 7);
  for (const std::string& chain : {old + middle_.cert_pem(), middle_.cert_pem() + old}) {
    absl::Time end;
    EXPECT_TRUE(Make(root_.cert_pem(), "").value()->CheckAt(now, leaf, chain, &end).ok());
    EXPECT_GT(end, now);
    EXPECT_TRUE(Make(root_.cert_pem() + chain, "").value()->CheckAt(now, leaf, "", &end).ok());
    EXPECT_GT(end, now);
  }
}

TEST_F(TrustTest, WhatAPeerSendsBesidesItsLeafCannotHideARevokedCa) {
  const std::string both = root_.cert_pem() + middle_.cert_pem();
  for (const std::string& chain : {std::string("nonsense"), other_.cert_pem(), root_.cert_pem()}) {
    EXPECT_THAT(Verdict(both, root_.Crl({5}), Leaf(middle_, 7), chain), HasSubstr("is revoked"));
  }
}

}  // namespace
}  // namespace entropyd::tls
