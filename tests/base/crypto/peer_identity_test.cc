#include "base/crypto/peer_identity.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/crypto/test_certs.h"

namespace entropyd::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PeerIdentityTest : public ::testing::Test {
 protected:
  std::string NameOf(const TestCa::Request& request) {
    absl::StatusOr<PeerIdentity> id = IdentityOfPem(ca_.Issue(request).cert_pem);
    return id.ok() ? id->name : std::string(id.status().message());
  }
  TestCa ca_{"DEV"};
};

TEST_F(PeerIdentityTest, SpiffeBeatsDnsBeatsCn) {
  EXPECT_EQ(
      NameOf(
          {.uris = {"https://x", "spiffe://dc1/agent/h7"}, .dns = {"h7.example"}, .cns = {"h7"}}),
      "spiffe://dc1/agent/h7");
  EXPECT_EQ(NameOf({.uris = {"https://x"}, .dns = {"H7.Example", "other"}, .cns = {"h7"}}),
            "dns:h7.example");
  EXPECT_EQ(NameOf({.cns = {"h7 of dc1"}}), "cn:h7 of dc1");
}

TEST_F(PeerIdentityTest, AmbiguousOrAbsentNamesAreRefused) {
  EXPECT_EQ(NameOf({.uris = {"spiffe://a/1", "spiffe://a/2"}}),
            "the certificate has more than one SPIFFE URI");
  EXPECT_EQ(NameOf({.cns = {"a", "b"}}), "the certificate has more than one CN");
  EXPECT_EQ(NameOf({}),
            "the certificate names nobody; issue one with a SPIFFE URI, a DNS name or a CN");
}

TEST_F(PeerIdentityTest, ANameOfOneTypeCannotLookLikeAnother) {
  const std::string id = "spiffe://dc1/operator/x";
  for (const TestCa::Request& request :
       {TestCa::Request{.cns = {id}}, TestCa::Request{.dns = {id}},
        TestCa::Request{.cns = {"dns:h7"}}, TestCa::Request{.dns = {"cn:h7"}},
        TestCa::Request{.dns = {"a:b"}, .cns = {"fine"}}, TestCa::Request{.cns = {"a/b"}}}) {
    EXPECT_THAT(NameOf(request), HasSubstr("has a character that a "));
  }
}

TEST_F(PeerIdentityTest, NamesThatCouldBeMisreadAreRefused) {
  EXPECT_THAT(NameOf({.uris = {std::string("spiffe://a/1\0/operator", 22)}}),
              HasSubstr("the URI in the certificate has a character"));
  EXPECT_THAT(NameOf({.dns = {"a\nb"}, .cns = {"fine"}}), HasSubstr("'a\\nb'"));
  EXPECT_THAT(NameOf({.dns = {""}, .cns = {"fine"}}), HasSubstr("is empty"));
  EXPECT_THAT(NameOf({.cns = {"a\x1b[31m"}}), HasSubstr("'a\\x1b[31m'"));
  for (const char* uri : {"SPIFFE://dc1/x", "spiffe://", "spiffe:///x", "spiffe://dc1/",
                          "spiffe://a//b", "spiffe://a/../b", "spiffe://a/./b", "spiffe://DC1/x",
                          "spiffe://a/x?y", "spiffe://a/%2f", "spiffe://u@a/x", "spiffe://a:1/x"}) {
    EXPECT_THAT(NameOf({.uris = {uri}, .cns = {"fine"}}), HasSubstr("is no SPIFFE ID")) << uri;
  }
  EXPECT_EQ(NameOf({.uris = {"spiffe://dc-1.example_x/a/B9._-"}}),
            "spiffe://dc-1.example_x/a/B9._-");
}

TEST_F(PeerIdentityTest, ANameHasABound) {
  const std::string most = "spiffe://a/" + std::string(kMaxNameBytes - 11, 'x');
  EXPECT_EQ(NameOf({.uris = {most}}), most);
  EXPECT_THAT(NameOf({.uris = {most + "x"}}), HasSubstr("longer than 256 bytes"));
  EXPECT_THAT(NameOf({.dns = {std::string(kMaxNameBytes + 1, 'x')}}), HasSubstr("longer than 256"));
}

TEST_F(PeerIdentityTest, TheLeafIsTheFirstOfAChain) {
  TestCa::Leaf leaf = ca_.Issue({.cns = {"leaf"}, .serial = 0xabc});
  absl::StatusOr<PeerIdentity> id = IdentityOfPem(leaf.cert_pem + ca_.cert_pem());
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->name, "cn:leaf");
  EXPECT_EQ(id->serial_hex, "0ABC");
}

TEST_F(PeerIdentityTest, GarbageIsAnError) {
  EXPECT_EQ(IdentityOfPem("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(
      IdentityOfPem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").ok());
}

TEST_F(PeerIdentityTest, RevokedSerialsLookLikeIdentities) {
  std::string crl = ca_.Crl({0xabc, 0xff00112233});
  absl::StatusOr<std::vector<std::string>> serials = RevokedSerials(crl);
  ASSERT_TRUE(serials.ok()) << serials.status();
  EXPECT_THAT(*serials, ElementsAre("0ABC", "FF00112233"));
  EXPECT_EQ(IdentityOfPem(ca_.Issue({.cns = {"x"}, .serial = 0xff00112233}).cert_pem)->serial_hex,
            "FF00112233");
}

TEST_F(PeerIdentityTest, SeveralListsAddUp) {
  TestCa other("OTHER");
  EXPECT_THAT(*RevokedSerials(ca_.Crl({1}) + other.Crl({2})), ElementsAre("01", "02"));
  EXPECT_TRUE(RevokedSerials(ca_.Crl({}))->empty());
}

TEST_F(PeerIdentityTest, ABrokenListIsAnErrorAndNotAnEmptyOne) {
  EXPECT_FALSE(RevokedSerials("").ok());
  EXPECT_FALSE(RevokedSerials(ca_.cert_pem()).ok());
  std::string cut = ca_.Crl({1}) + ca_.Crl({2});
  cut.resize(cut.size() - 30);
  EXPECT_FALSE(RevokedSerials(cut).ok());
}

}  // namespace
}  // namespace entropyd::tls
