#include "server/access/gate.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/crypto/test_certs.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

using config::v1::ROLE_AGENT;
using config::v1::ROLE_OPERATOR;
using config::v1::ROLE_READER;
using ::testing::HasSubstr;

constexpr char kAgents[] = "{identity: \"spiffe://t/agent/*\", role: agent, allow: [\"p/*\"]}";

class GateTest : public ::testing::Test {
 protected:
  static Policy MakePolicy(const std::string& rules) {
    config::v1::Server config;
    config::Locations locations;
    const absl::Status parsed = config::Parse(
        absl::StrCat("tls: {cert: c, key: k, client_ca: a}\n"
                     "sources: [{name: s, driver: getrandom}]\n"
                     "pools: [{name: p, sources: [s], classes: [{name: leaf, rate: 1MiB/s}]}]\n"
                     "policy: [",
                     rules, "]\n"),
        "server.yaml", &config, &locations);
    EXPECT_TRUE(parsed.ok()) << parsed;
    return Policy::Create(config, locations).value();
  }
  std::shared_ptr<const tls::Trust> MakeTrust(const std::string& ca_pem,
                                              const std::string& crl_pem) const {
    const std::string ca = "ca", crl = crl_pem.empty() ? "" : "crl";
    return tls::Trust::Create({ca, ca_pem}, {crl, crl_pem}).value();
  }
  std::string Leaf(const TestCa& ca, const std::string& name, uint64_t serial) const {
    return ca.Issue({.uris = {absl::StrCat("spiffe://t/", name)}, .serial = serial}).cert_pem;
  }
  absl::StatusOr<Gate::Admission> Admit(const std::string& leaf, Gate::Roles roles,
                                        const std::string& chain = "") {
    return gate_.Admit({.cert_pem = leaf, .chain_pem = chain, .address = "peer", .call = "Attach"},
                       roles);
  }
  int Denials(const std::string& reason) {
    return static_cast<int>(AddDenialCounter(&metrics_, reason)->Value());
  }

  const TestCa root_{"ROOT"};
  const TestCa middle_{"MIDDLE", &root_, 5};
  ManualClock clock_;
  FakeLog log_{&clock_};
  Metrics metrics_;
  Gate gate_{MakePolicy(kAgents), MakeTrust(root_.cert_pem(), ""), &clock_, &log_, &metrics_};
};

TEST_F(GateTest, WhoHasTheRoleComesInUnderItsName) {
  std::vector<std::string> addresses, denied;
  gate_.SetHearers({.admitted =
                        [&](absl::string_view address, absl::string_view identity) {
                          addresses.push_back(absl::StrCat(address, " ", identity));
                          return absl::OkStatus();
                        },
                    .denied =
                        [&](absl::string_view address, absl::string_view identity) {
                          denied.push_back(absl::StrCat(address, " ", identity));
                        }});
  const auto peer = Admit(Leaf(root_, "agent/h1", 7), {ROLE_READER, ROLE_AGENT});
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(peer->identity, "spiffe://t/agent/h1");
  EXPECT_TRUE(absl::IsPermissionDenied(Admit(Leaf(root_, "agent/h1", 7), {ROLE_READER}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Admit(Leaf(root_, "other", 8), {ROLE_AGENT}).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(Admit("", {ROLE_AGENT}).status()));
  EXPECT_EQ(addresses, std::vector<std::string>{"peer spiffe://t/agent/h1"});
  EXPECT_EQ(denied, (std::vector<std::string>{"peer spiffe://t/agent/h1", "peer spiffe://t/other",
                                              "peer "}));
  EXPECT_EQ(Denials("role"), 2);
  EXPECT_EQ(Denials("identity"), 1);
}

TEST_F(GateTest, WhoIsRevokedStaysOutAndSoDoWhomARevokedCaSigned) {
  gate_.SetRules(MakePolicy(kAgents), MakeTrust(root_.cert_pem(), root_.Crl({7, 5})));
  const absl::Status leaf = Admit(Leaf(root_, "agent/h1", 7), {ROLE_AGENT}).status();
  EXPECT_EQ(leaf, absl::UnauthenticatedError(
                      "Attach: the certificate of spiffe://t/agent/h1 is revoked"));
  const std::string below = Leaf(middle_, "agent/h2", 9);
  EXPECT_EQ(Admit(below, {ROLE_AGENT}, middle_.cert_pem()).status().message(),
            "Attach: the certificate of spiffe://t/agent/h2 is signed by CN=MIDDLE, whose own "
            "certificate is revoked");
  EXPECT_TRUE(Admit(Leaf(root_, "agent/h3", 9), {ROLE_AGENT}).ok());
  EXPECT_EQ(Denials("revoked"), 2);
}

TEST_F(GateTest, NewRulesHoldForWhoIsAlreadyIn) {
  const auto first = Admit(Leaf(root_, "agent/h1", 7), {ROLE_AGENT});
  const auto second = Admit(Leaf(root_, "agent/h2", 8), {ROLE_AGENT});
  EXPECT_TRUE(gate_.Recheck(*first->certificate, "Attach", {ROLE_AGENT}).ok());
  gate_.SetRules(MakePolicy(kAgents), MakeTrust(root_.cert_pem(), root_.Crl({7})));
  EXPECT_TRUE(absl::IsUnauthenticated(gate_.Recheck(*first->certificate, "Attach", {ROLE_AGENT})));
  EXPECT_TRUE(gate_.Recheck(*second->certificate, "Attach", {ROLE_AGENT}).ok());
  // A list that does not name it any more lets it in again.
  gate_.SetRules(MakePolicy(kAgents), MakeTrust(root_.cert_pem(), root_.Crl({})));
  EXPECT_TRUE(gate_.Recheck(*first->certificate, "Attach", {ROLE_AGENT}).ok());
  gate_.SetRules(MakePolicy("{identity: \"spiffe://t/agent/h1\", role: operator}"),
                 MakeTrust(root_.cert_pem(), ""));
  EXPECT_TRUE(absl::IsPermissionDenied(gate_.Recheck(*first->certificate, "Attach", {ROLE_AGENT})));
  EXPECT_TRUE(gate_.Recheck(*first->certificate, "Drain", {ROLE_OPERATOR}).ok());
  EXPECT_TRUE(
      absl::IsPermissionDenied(gate_.AllowClass("spiffe://t/agent/h1", {ROLE_AGENT}, "p/leaf")));
  EXPECT_EQ(Denials("revoked") + Denials("role"), 0) << "it tells nobody";
}

TEST_F(GateTest, WhoseCaIsTakenAwayIsUntrustedAndNotRevoked) {
  const std::string leaf = Leaf(root_, "agent/h1", 7);
  ASSERT_TRUE(Admit(leaf, {ROLE_AGENT}).ok());
  gate_.SetRules(MakePolicy(kAgents), MakeTrust(TestCa("OTHER").cert_pem(), ""));
  EXPECT_TRUE(absl::IsUnauthenticated(Admit(leaf, {ROLE_AGENT}).status()));
  EXPECT_EQ(Denials("untrusted"), 1);
  EXPECT_EQ(Denials("revoked"), 0);
}

TEST_F(GateTest, WhoseCaIsTakenAwayIsOut) {
  const auto peer = Admit(Leaf(root_, "agent/h1", 7), {ROLE_AGENT});
  gate_.SetRules(MakePolicy(kAgents), MakeTrust(TestCa("OTHER").cert_pem(), ""));
  const absl::Status status = gate_.Recheck(*peer->certificate, "Attach", {ROLE_AGENT});
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("leads to no CA that is trusted here"));
}

TEST_F(GateTest, ACertificateIsRememberedTogetherWithWhatWasSentBesidesIt) {
  const std::string leaf = Leaf(middle_, "agent/h1", 7);
  EXPECT_TRUE(absl::IsUnauthenticated(Admit(leaf, {ROLE_AGENT}).status()));
  const auto first = Admit(leaf, {ROLE_AGENT}, middle_.cert_pem());
  const auto second = Admit(leaf, {ROLE_AGENT}, middle_.cert_pem());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->certificate, second->certificate);
  EXPECT_TRUE(absl::IsUnauthenticated(Admit(leaf, {ROLE_AGENT}).status()));
}

TEST_F(GateTest, AnIdentityWithoutAPlaceForItsConnectionStaysOut) {
  gate_.SetHearers({.admitted = [](absl::string_view, absl::string_view) {
    return absl::ResourceExhaustedError("no place");
  }});
  EXPECT_EQ(Admit(Leaf(root_, "agent/h1", 7), {ROLE_AGENT}).status(),
            absl::ResourceExhaustedError("Attach: no place"));
  EXPECT_EQ(Denials("connections_per_identity"), 1);
}

TEST_F(GateTest, AnIdentityMakesSoManyCallsAndNoMore) {
  int denied = 0, exceeded = 0;
  gate_.SetHearers({.denied = [&](absl::string_view, absl::string_view) { ++denied; },
                    .exceeded =
                        [&](absl::string_view address, absl::string_view identity) {
                          EXPECT_EQ(address, "peer");
                          EXPECT_NE(identity, "");
                          ++exceeded;
                        }});
  gate_.SetCallLimit(10);
  const std::string leaf = Leaf(root_, "agent/h1", 7);
  EXPECT_TRUE(absl::IsPermissionDenied(Admit(leaf, {ROLE_READER}).status())) << "it counts, too";
  for (int i = 1; i < 10 * CallRates::kBurstSeconds; ++i) {
    EXPECT_TRUE(Admit(leaf, {ROLE_AGENT}).ok());
  }
  const absl::Status status = Admit(leaf, {ROLE_AGENT}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("spiffe://t/agent/h1 makes more than 10 calls in a second "
                        "(max_calls_per_identity_per_second)"));
  EXPECT_EQ(denied, 2);
  EXPECT_EQ(exceeded, 1);
  EXPECT_EQ(Denials("calls_per_identity"), 1);
  EXPECT_TRUE(Admit(Leaf(root_, "agent/h2", 8), {ROLE_AGENT}).ok()) << "others do not notice";
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_TRUE(Admit(leaf, {ROLE_AGENT}).ok());
}

TEST_F(GateTest, TheHandshakeIsForWhomSomeRuleGivesARole) {
  std::shared_ptr<const PeerCertificate> certificate;
  const auto agent = gate_.Examine(Leaf(root_, "agent/h1", 7), "", &certificate);
  EXPECT_EQ(agent.refusal, tls::Refusal::kNone);
  EXPECT_TRUE(gate_.Holds(*certificate));
  const auto other = gate_.Examine(Leaf(root_, "other", 8), "", &certificate);
  EXPECT_EQ(other.refusal, tls::Refusal::kRole);
  EXPECT_EQ(other.identity, "spiffe://t/other");
  EXPECT_EQ(other.problem, "no policy rule gives its identity a role");
  EXPECT_FALSE(gate_.Holds(*certificate));
  EXPECT_EQ(gate_.Examine("", "", &certificate).refusal, tls::Refusal::kName);
  EXPECT_EQ(gate_.Examine(Leaf(TestCa("OTHER"), "agent/h1", 9), "", &certificate).refusal,
            tls::Refusal::kUntrusted);
  EXPECT_EQ(Denials("role"), 1);
  EXPECT_EQ(Denials("identity"), 1);
  EXPECT_TRUE(log_.events().empty()) << "the handshake has a line of its own";
  gate_.SetRules(MakePolicy("{identity: \"spiffe://t/other\", role: operator}"),
                 MakeTrust(root_.cert_pem(), ""));
  EXPECT_EQ(gate_.Examine(Leaf(root_, "other", 8), "", &certificate).refusal, tls::Refusal::kNone)
      << "the rules of this moment count";
}

TEST_F(GateTest, TheHandshakeIsNotForTheRevoked) {
  std::shared_ptr<const PeerCertificate> leaf, below;
  const std::string pem = Leaf(root_, "agent/h1", 7);
  EXPECT_EQ(gate_.Examine(pem, "", &leaf).refusal, tls::Refusal::kNone);
  gate_.SetRules(MakePolicy(kAgents), MakeTrust(root_.cert_pem(), root_.Crl({7, 5})));
  EXPECT_FALSE(gate_.Holds(*leaf)) << "who is in is asked about again";
  const auto revoked = gate_.Examine(pem, "", &leaf);
  EXPECT_EQ(revoked.refusal, tls::Refusal::kRevoked);
  EXPECT_EQ(revoked.problem, "is revoked");
  const auto signed_below = gate_.Examine(Leaf(middle_, "agent/h2", 9), middle_.cert_pem(), &below);
  EXPECT_EQ(signed_below.refusal, tls::Refusal::kRevoked);
  EXPECT_THAT(signed_below.problem, HasSubstr("whose own certificate is revoked"));
  EXPECT_EQ(Denials("revoked"), 2);
}

TEST_F(GateTest, WhatOpenSslRefusesIsCounted) {
  gate_.CountRefused(/*expired=*/true);
  gate_.CountRefused(/*expired=*/false);
  gate_.CountRefused(/*expired=*/false);
  EXPECT_EQ(Denials("expired"), 1);
  EXPECT_EQ(Denials("untrusted"), 2);
}

// The certificate of this class lasts an hour longer than the time when it was made.
class GateExpiryTest : public GateTest {
 protected:
  absl::StatusOr<Gate::Admission> AdmitAt(const std::string& leaf) {
    return at_.Admit({.cert_pem = leaf, .chain_pem = "", .address = "peer", .call = "Attach"},
                     {ROLE_AGENT});
  }
  ManualClock real_{0, absl::Now()};
  Gate at_{MakePolicy(kAgents), MakeTrust(root_.cert_pem(), ""), &real_, &log_, &metrics_};
};

TEST_F(GateExpiryTest, WhoseCertificateExpiresIsOut) {
  const std::string leaf =
      root_.Issue({.uris = {"spiffe://t/agent/h1"}, .not_after = absl::Now() + absl::Minutes(10)})
          .cert_pem;
  const auto peer = AdmitAt(leaf);
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_FALSE(at_.TakeExpiries());
  real_.Advance(absl::Minutes(9));
  EXPECT_TRUE(at_.Holds(*peer->certificate));
  EXPECT_FALSE(at_.TakeExpiries());
  real_.Advance(absl::Minutes(1));
  EXPECT_TRUE(at_.TakeExpiries());
  EXPECT_FALSE(at_.TakeExpiries()) << "it is told once";
  EXPECT_FALSE(at_.Holds(*peer->certificate));
  const absl::Status recheck = at_.Recheck(*peer->certificate, "Attach", {ROLE_AGENT});
  EXPECT_TRUE(absl::IsUnauthenticated(recheck)) << recheck;
  EXPECT_THAT(std::string(recheck.message()),
              HasSubstr("the certificate of spiffe://t/agent/h1 expired at "));
  EXPECT_TRUE(absl::IsUnauthenticated(AdmitAt(leaf).status()));
  EXPECT_EQ(Denials("expired"), 1);
  std::shared_ptr<const PeerCertificate> certificate;
  EXPECT_EQ(at_.Examine(leaf, "", &certificate).refusal, tls::Refusal::kExpired);
}

TEST_F(GateExpiryTest, ACaThatExpiresTakesThoseWithItThatItSigned) {
  const auto peer = AdmitAt(Leaf(root_, "agent/h1", 7));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_LE(peer->certificate->not_after(), absl::Now() + absl::Hours(1));
}

TEST_F(GateExpiryTest, NobodyIsEndedForACertificateThatNobodyUses) {
  EXPECT_TRUE(AdmitAt(Leaf(root_, "agent/h1", 7)).ok());
  real_.Advance(absl::Hours(2));
  EXPECT_FALSE(at_.TakeExpiries());
}

TEST_F(GateExpiryTest, ACaThatWasRenewedKeepsThoseThatItSigned) {
  const absl::Time start = real_.WallTime();
  const std::string old = root_.Renewed(start + absl::Minutes(10));
  const std::string leaf = Leaf(root_, "agent/h1", 7);
  for (const std::string& bundle : {old + root_.cert_pem(), root_.cert_pem() + old}) {
    ManualClock clock(0, start);
    Metrics metrics;
    Gate gate(MakePolicy(kAgents), MakeTrust(bundle, ""), &clock, &log_, &metrics);
    std::shared_ptr<const PeerCertificate> certificate;
    EXPECT_EQ(gate.Examine(leaf, "", &certificate).refusal, tls::Refusal::kNone);
    clock.Advance(absl::Minutes(11));
    EXPECT_FALSE(gate.TakeExpiries());
    EXPECT_TRUE(gate.Holds(*certificate));
    EXPECT_GT(gate.LifetimeNanos(*certificate), 0);
    clock.Advance(absl::Hours(1));
    EXPECT_TRUE(gate.TakeExpiries());
    EXPECT_FALSE(gate.Holds(*certificate));
  }
}

TEST_F(GateExpiryTest, AnExpiryIsToldAgainWhenTheCertificateWasValidInBetween) {
  const auto peer = AdmitAt(Leaf(root_, "agent/h1", 7));
  ASSERT_TRUE(peer.ok()) << peer.status();
  for (int i = 0; i < 2; ++i) {
    real_.Advance(absl::Hours(2));
    EXPECT_TRUE(at_.TakeExpiries());
    EXPECT_FALSE(at_.TakeExpiries());
    real_.Advance(-absl::Hours(2));
    EXPECT_FALSE(at_.TakeExpiries());
    EXPECT_TRUE(at_.Holds(*peer->certificate));
  }
}

TEST_F(GateExpiryTest, AnExpiryIsToldOfTheEndThatNewRulesBring) {
  const absl::Time start = real_.WallTime();
  const auto peer = AdmitAt(Leaf(root_, "agent/h1", 7));
  ASSERT_TRUE(peer.ok()) << peer.status();
  at_.SetRules(MakePolicy(kAgents), MakeTrust(root_.Renewed(start + absl::Minutes(10)), ""));
  real_.Advance(absl::Minutes(11));
  EXPECT_TRUE(at_.TakeExpiries());
  at_.SetRules(MakePolicy(kAgents), MakeTrust(root_.cert_pem(), ""));
  EXPECT_TRUE(at_.Holds(*peer->certificate));
  real_.Advance(absl::Hours(1));
  EXPECT_TRUE(at_.TakeExpiries()) << "nobody has looked in between";
}

TEST_F(GateExpiryTest, NoOtherChainTakesTheCertificateInUseOutOfSight) {
  const std::string leaf = Leaf(root_, "agent/h1", 7);
  std::shared_ptr<const PeerCertificate> first, second;
  at_.Examine(leaf, "", &first);
  at_.Examine(leaf, middle_.cert_pem(), &second);
  EXPECT_NE(first, second);
  second.reset();
  real_.Advance(absl::Hours(2));
  EXPECT_TRUE(at_.TakeExpiries());
}

TEST_F(GateTest, WhatNobodyUsesIsRememberedUpToABound) {
  constexpr size_t kEach = 4 << 20;
  const std::string leaf = Leaf(root_, "agent/h1", 7);
  const auto used = Admit(leaf, {ROLE_AGENT});
  ASSERT_TRUE(used.ok()) << used.status();
  for (char c = 'a'; c <= 'z'; ++c)
    EXPECT_TRUE(Admit(leaf, {ROLE_AGENT}, std::string(kEach, c)).ok());
  EXPECT_LE(gate_.remembered_bytes(), Gate::kMaxRememberedBytes + kEach + leaf.size());
  EXPECT_EQ(Admit(leaf, {ROLE_AGENT})->certificate, used->certificate);
}

TEST_F(GateTest, FloodsOfDenialsAreALine) {
  const std::string leaf = Leaf(root_, "other", 7);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(absl::IsPermissionDenied(Admit(leaf, {ROLE_AGENT}).status()));
  }
  EXPECT_EQ(log_.events(), std::vector<std::string>{"agent.denied"});
  EXPECT_EQ(Denials("role"), 100);
}

}  // namespace
}  // namespace entropyd
