// What the log tells of peers whose handshake fails, with gRPC's own handshakes.
#include "server/rpc/grpc_door.h"

#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "base/wire/grpc_log.h"
#include "gmock/gmock.h"
#include "tests/http_get.h"
#include "tests/server/rpc/server_fixture.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class GrpcDoorTest : public ServerFixture {
 protected:
  static void SetUpTestSuite() {
    ServerFixture::SetUpTestSuite();
    Issue("roleless", "spiffe://test/roleless");
  }
  void SetUp() override {
    SendGrpcLogTo(&lines_);
    ServerFixture::SetUp();
  }
  // Somebody who trusts the server makes a call, with what these files hold, or nothing.
  void Call(const std::string& cert_pem, const std::string& key_pem) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Read("ca.crt");
    options.pem_cert_chain = cert_pem;
    options.pem_private_key = key_pem;
    const auto channel = grpc::CreateChannel(absl::StrCat("localhost:", server_->grpc_port()),
                                             grpc::SslCredentials(options));
    BoundedContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetRequest request;
    v1::GetResponse response;
    EXPECT_FALSE(v1::Entropy::NewStub(channel)->Get(&context, request, &response).ok());
  }

  FakeLog refusals_{&clock_};
  GrpcLines lines_{&refusals_, &clock_};
};

TEST_F(GrpcDoorTest, WhoseCertificateIsOfAnotherCaIsNamedWithAddressAndIssuer) {
  const std::string ours = *dir_;
  *dir_ = ours + "/elsewhere";
  EXPECT_EQ(mkdir(dir_->c_str(), 0700), 0);
  EXPECT_TRUE(pki::Init(*dir_, {.common_name = "ELSEWHERE"}, absl::Now()).ok());
  Issue("stranger", "spiffe://test/agent/h1");
  const std::string cert = Read("stranger.crt"), key = Read("stranger.key");
  *dir_ = ours;
  Call(cert, key);
  const std::string line = refusals_.Await("certificate verify failed: ");
  EXPECT_THAT(line,
              MatchesRegex("warning tls.refused reason=.* peer=127\\.0\\.0\\.1:[0-9]+ subject=.* "
                           "issuer=.* remedy=.* count=1"));
  EXPECT_THAT(line, AllOf(HasSubstr("CN=ELSEWHERE"), HasSubstr("tls.client_ca")));
}

TEST_F(GrpcDoorTest, WhoHasNoRoleIsNamedWithItsIdentity) {
  Call(Read("roleless.crt"), Read("roleless.key"));
  const std::string line = refusals_.Await("no policy rule gives its identity a role");
  EXPECT_THAT(line,
              MatchesRegex("warning tls.refused reason=certificate verify failed: no policy rule "
                           "gives its identity a role identity=spiffe://test/roleless "
                           "peer=127\\.0\\.0\\.1:[0-9]+ subject=.* issuer=.* remedy=add a rule "
                           "for this identity to `policy`, .* count=1"));
}

TEST_F(GrpcDoorTest, WhoIsRevokedIsNamedWithItsIdentity) {
  Call(Read("revoked.crt"), Read("revoked.key"));
  EXPECT_THAT(refusals_.Await("is revoked"),
              HasSubstr("identity=spiffe://test/agent/revoked peer=127.0.0.1:"));
}

TEST_F(GrpcDoorTest, WhoShowsNoCertificateIsNamedByItsAddress) {
  Call("", "");
  EXPECT_THAT(
      refusals_.Await("peer did not return a certificate"),
      MatchesRegex("warning tls.refused reason=.* peer=127\\.0\\.0\\.1:[0-9]+ remedy=the peer has "
                   "no certificate: .* count=1"));
}

TEST_F(GrpcDoorTest, WhoSpeaksNoTlsIsNamedByItsAddress) {
  HttpGet(server_->grpc_port(), "/");
  EXPECT_THAT(
      refusals_.Await("http request"),
      MatchesRegex("warning tls.refused reason=.* peer=127\\.0\\.0\\.1:[0-9]+ remedy=the peer "
                   "speaks HTTP without TLS, .* count=1"));
}

}  // namespace
}  // namespace entropyd
