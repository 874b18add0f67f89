#include "base/wire/refused_handshake.h"

#include <string>

#include "base/wire/connection_remedy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/ssl.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

const absl::Status kAlerted = absl::UnavailableError(
    "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:7743: Endpoint "
    "read failed");

tls::Alert Of(int description) {
  return {.description = description, .identity = "spiffe://t/agent/h7"};
}

TEST(RefusedHandshakeTest, ARoleThatIsMissingIsWhatTheServerWouldHaveSaidOfACall) {
  const absl::Status status = WithRefusal(kAlerted, Of(SSL_AD_HANDSHAKE_FAILURE));
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(status.message(),
              HasSubstr("permission denied: no policy rule gives spiffe://t/agent/h7 a role"));
  EXPECT_THAT(ConnectionRemedy(status.message()), HasSubstr("add a rule to `policy`"));
  EXPECT_EQ(StepOf(status.message()), ConnectionStep::kTls);
}

TEST(RefusedHandshakeTest, EachFaultOfACertificateHasItsWordsAndARemedy) {
  const struct {
    int description;
    const char* words;
    const char* remedy;
  } cases[] = {
      {SSL_AD_CERTIFICATE_REVOKED, "revoked", "issue a new one"},
      {SSL_AD_CERTIFICATE_EXPIRED, "expired", "renew it"},
      {SSL_AD_UNKNOWN_CA, "does not know its CA", "issue one by the CA"},
      {SSL_AD_UNSUPPORTED_CERTIFICATE, "not for clients", "clientAuth"},
      {SSL_AD_BAD_CERTIFICATE, "log says why", "log says why"},
  };
  for (const auto& one : cases) {
    const absl::Status status = WithRefusal(kAlerted, Of(one.description));
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("the certificate of spiffe://t/agent/h7"));
    EXPECT_THAT(status.message(), HasSubstr(one.words));
    EXPECT_THAT(ConnectionRemedy(status.message()), HasSubstr(one.remedy)) << status;
    EXPECT_EQ(StepOf(status.message()), ConnectionStep::kTls) << status;
  }
}

TEST(RefusedHandshakeTest, AnotherAlertIsToldByItsName) {
  const absl::Status status = WithRefusal(kAlerted, Of(SSL_AD_INTERNAL_ERROR));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("Endpoint read failed: TLS alert internal error"));
}

TEST(RefusedHandshakeTest, WhatIsNoAlertStaysAsItIs) {
  EXPECT_EQ(WithRefusal(kAlerted, {}), kAlerted);
  const absl::Status closed = absl::UnavailableError("Socket closed");
  EXPECT_EQ(WithRefusal(closed, Of(SSL_AD_CERTIFICATE_REVOKED)), closed);
  const absl::Status other = absl::InternalError("Endpoint read failed");
  EXPECT_EQ(WithRefusal(other, Of(SSL_AD_CERTIFICATE_REVOKED)), other);
  EXPECT_TRUE(WithRefusal(absl::OkStatus(), Of(SSL_AD_CERTIFICATE_REVOKED)).ok());
}

}  // namespace
}  // namespace entropyd
