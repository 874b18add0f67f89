// What agents and readers get from the assembled server.
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "tests/server/rpc/server_fixture.h"

namespace entropyd {
namespace {

using GrpcAttachTest = ServerFixture;

TEST_F(GrpcAttachTest, AnAgentIsWelcomedAndDrawsWhatItCredits) {
  std::unique_ptr<Agent> agent = Attach("h1");
  agent->Hello();
  v1::ServerMessage welcome;
  ASSERT_TRUE(agent->stream->Read(&welcome));
  EXPECT_EQ(welcome.seq(), 1u);
  EXPECT_EQ(welcome.welcome().version(), 1u);
  EXPECT_EQ(welcome.welcome().max_credit(), 256u * 1024);
  EXPECT_EQ(welcome.welcome().max_payload(), 256u * 1024);
  agent->Open(1, "default/gold");
  const v1::ChannelState state = agent->WaitForState();
  EXPECT_EQ(state.phase(), v1::PHASE_OPEN);
  EXPECT_EQ(state.quality(), v1::QUALITY_DRBG);
  agent->Credit(1, 200'000, 0);
  const std::string data = agent->ReadBytes(200'000);
  EXPECT_EQ(data.size(), 200'000u);
  EXPECT_NE(data.substr(0, 16), data.substr(16, 16));
  agent->stream->WritesDone();
  EXPECT_TRUE(agent->Finish().ok());
}

TEST_F(GrpcAttachTest, TwoAgentsNeverSeeTheSameBytes) {
  std::unique_ptr<Agent> a = AttachReady("h1");
  std::unique_ptr<Agent> b = AttachReady("h2");
  a->Credit(1, 64, 0);
  b->Credit(1, 64, 0);
  EXPECT_NE(a->ReadBytes(64), b->ReadBytes(64));
}

TEST_F(GrpcAttachTest, CreditBeyondTheLimitEndsTheStreamAndNobodyElses) {
  std::unique_ptr<Agent> good = AttachReady("h1");
  std::unique_ptr<Agent> bad = AttachReady("h2");
  bad->Credit(1, 256 * 1024 + 1, 0);
  const grpc::Status status = bad->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE) << status.error_message();
  good->Credit(1, 64, 0);
  EXPECT_EQ(good->ReadBytes(64).size(), 64u);
}

TEST_F(GrpcAttachTest, AnAgentThatSkipsHelloIsToldSo) {
  std::unique_ptr<Agent> agent = Attach("h1");
  agent->Open(1, "default/gold");
  const grpc::Status status = agent->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("hello"), std::string::npos);
}

TEST_F(GrpcAttachTest, AnOversizedMessageEndsItsStreamOnly) {
  std::unique_ptr<Agent> good = AttachReady("h1");
  std::unique_ptr<Agent> bad = AttachReady("h2");
  bad->Open(2, std::string(100'000, 'x'));
  EXPECT_FALSE(bad->Finish().ok());
  good->Credit(1, 64, 0);
  EXPECT_EQ(good->ReadBytes(64).size(), 64u);
}

TEST_F(GrpcAttachTest, AForbiddenClassIsClosedWithItsReason) {
  std::unique_ptr<Agent> agent = Attach("h1");
  agent->Hello();
  agent->Open(1, "default/secret");
  v1::ChannelState state = agent->WaitForState();
  EXPECT_EQ(state.phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(state.code(), static_cast<uint32_t>(grpc::StatusCode::PERMISSION_DENIED));
  agent->Open(2, "default/nonsuch");
  state = agent->WaitForState();
  EXPECT_EQ(state.code(), static_cast<uint32_t>(grpc::StatusCode::PERMISSION_DENIED))
      << "who may not use a class does not learn whether it exists";
}

TEST_F(GrpcAttachTest, ReadersAndOperatorsMayNotAttach) {
  for (const char* who : {"reader", "operator"}) {
    EXPECT_EQ(Attach(who)->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
}

TEST_F(GrpcAttachTest, ARevokedCertificateIsUnauthenticated) {
  EXPECT_EQ(Attach("revoked")->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(GrpcAttachTest, TheNewestStreamOfAHostWins) {
  std::unique_ptr<Agent> older = AttachReady("h1");
  std::unique_ptr<Agent> newer = AttachReady("h1");
  EXPECT_EQ(older->Finish().error_code(), grpc::StatusCode::ABORTED);
  newer->Credit(1, 64, 0);
  EXPECT_EQ(newer->ReadBytes(64).size(), 64u);
}

TEST_F(GrpcAttachTest, GetGivesBytesToWhomThePolicyAllows) {
  AttachReady("h1");  // the pool is ready
  v1::GetResponse response;
  const grpc::Status status = Get("reader", "default/secret", 32 * 1024, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.data().size(), 32u * 1024);
  EXPECT_EQ(response.quality(), v1::QUALITY_DRBG);
  EXPECT_TRUE(Get("h1", "default/gold", 1, &response).ok());
  EXPECT_EQ(response.data().size(), 1u);
  const grpc::Status agent = Get("h1", "default/secret", 1, &response);
  EXPECT_EQ(agent.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_NE(agent.error_message().find("as agent"), std::string::npos) << agent.error_message();
  const grpc::Status neither = Get("operator", "default/gold", 1, &response);
  EXPECT_EQ(neither.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(neither.error_message(),
            "permission denied: no policy rule gives spiffe://test/operator the role reader");
  EXPECT_EQ(Get("reader", "default/nonsuch", 1, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Get("reader", "default/gold", 40'000, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GrpcAttachTest, StopDrainsAndEndsWithinFiveSeconds) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  const absl::Time started = absl::Now();
  std::thread stop([this] { server_->Stop(); });
  v1::ServerMessage message;
  ASSERT_TRUE(agent->stream->Read(&message));
  EXPECT_TRUE(message.has_drain());
  EXPECT_EQ(agent->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stop.join();
  EXPECT_LT(absl::Now() - started, absl::Seconds(5));
}

}  // namespace
}  // namespace entropyd
