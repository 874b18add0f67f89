// The assembled server takes new rules and certificates while it runs.

#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "server/door/door.h"
#include "tests/server/rpc/reload_fixture.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GrpcReloadTest : public ReloadFixture {};

TEST_F(GrpcReloadTest, ARevokedAgentsStreamEndsAndTheOthersGoOn) {
  std::unique_ptr<Agent> good = AttachReady("h1");
  std::unique_ptr<Agent> bad = AttachReady("h2");
  bad->Credit(1, 64, 0);
  EXPECT_EQ(bad->ReadBytes(64).size(), 64u);
  Revoke("h2");
  server_->Tick();
  const grpc::Status status = bad->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "Attach: the certificate of spiffe://test/agent/h2 is revoked");
  EXPECT_EQ(Attach("h2")->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  good->Credit(1, 200'000, 0);
  EXPECT_EQ(good->ReadBytes(200'000).size(), 200'000u);
  good->stream->WritesDone();
  EXPECT_TRUE(good->Finish().ok());
}

TEST_F(GrpcReloadTest, WhoseCertificateExpiresIsEndedAndTheOthersGoOn) {
  // It is valid for twenty more seconds: a longer leap of the clock would look like a stuck write.
  Issue("short", "spiffe://test/agent/short",
        absl::Now() - pki::IssueRequest().validity + absl::Seconds(20));
  std::unique_ptr<Agent> good = AttachReady("h1");
  std::unique_ptr<Agent> bad = AttachReady("short");
  server_->Tick();
  bad->Credit(1, 64, 0);
  EXPECT_EQ(bad->ReadBytes(64).size(), 64u);
  clock_.Advance(absl::Seconds(20));
  server_->Tick();
  const grpc::Status status = bad->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("the certificate of spiffe://test/agent/short expired at "));
  clock_.AdvanceNanos(Door::kFarewellNanos);
  server_->Tick();
  EXPECT_TRUE(
      Await([&] { return Count("entropyd_connections_refused_total", "certificate") == 1; }));
  good->Credit(1, 200'000, 0);
  EXPECT_EQ(good->ReadBytes(200'000).size(), 200'000u);
}

TEST_F(GrpcReloadTest, ARevokedReadersCallEndsWhileItWaits) {
  AttachReady("h1");  // the pool is ready
  grpc::Status status;
  v1::GetResponse response;
  std::thread reader([&] { status = Get("reader", "default/slow", 32 * 1024, &response); });
  EXPECT_TRUE(AwaitWaiting("default", "slow"));
  Revoke("reader");
  const absl::Time revoked = absl::Now();
  server_->Tick();
  reader.join();
  EXPECT_LT(absl::Now() - revoked, absl::Seconds(2));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("is revoked"));
}

TEST_F(GrpcReloadTest, ARevokedOperatorsRecordingEnds) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  BoundedContext context;
  v1::RecordSourceRequest request;
  request.set_name("kernel");
  request.set_samples(1 << 30);
  const auto reader = admin->RecordSource(&context, request);
  v1::RecordSourceResponse response;
  ASSERT_TRUE(reader->Read(&response));
  Revoke("operator");
  server_->Tick();
  while (reader->Read(&response)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
  EXPECT_THAT(Audited(), ElementsAre(AllOf(HasSubstr("call=RecordSource"),
                                           HasSubstr("outcome=\"UNAUTHENTICATED: "))));
}

TEST_F(GrpcReloadTest, ARecordingEndsWhenRawSamplesMayNotLeaveTheServerAnyMore) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  BoundedContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::RecordSourceRequest request;
  request.set_name("kernel");
  request.set_samples(1 << 30);
  const auto reader = admin->RecordSource(&context, request);
  v1::RecordSourceResponse response;
  ASSERT_TRUE(reader->Read(&response));
  Change("server.yaml", "allow_recording: true", "allow_recording: false");
  TakeConfig();
  while (reader->Read(&response)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("raw samples do not leave this server"));
}

TEST_F(GrpcReloadTest, ARecordingThatNobodyReadsIsCancelled) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  BoundedContext context;
  v1::RecordSourceRequest request;
  request.set_name("kernel");
  request.set_samples(1 << 30);
  const auto reader = admin->RecordSource(&context, request);
  v1::RecordSourceResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // All windows are full: the source reads no more.
  uint64_t read = 0;
  EXPECT_TRUE(Await([&] {
    const uint64_t before = std::exchange(read, RawBytes("kernel"));
    absl::SleepFor(absl::Milliseconds(50));  // a source that may read does within 10
    return read == before;
  }));
  Revoke("operator");
  server_->Tick();
  absl::SleepFor(absl::Milliseconds(100));
  server_->Tick();
  EXPECT_EQ(Audited().size(), 1u) << "the server could end";
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcReloadTest, ANewPolicyEndsWhomItDoesNotLetIn) {
  std::unique_ptr<Agent> good = AttachReady("h1");
  std::unique_ptr<Agent> bad = AttachReady("h2");
  Change("server.yaml", "spiffe://test/agent/*", "spiffe://test/agent/h1");
  TakeConfig();
  const grpc::Status status = bad->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("no policy rule gives spiffe://test/agent/h2 the role agent"));
  good->Credit(1, 64, 0);
  EXPECT_EQ(good->ReadBytes(64).size(), 64u);
  // A class that it may not use any more is closed, and its stream goes on.
  good->Open(2, "default/slow");
  EXPECT_EQ(good->WaitForState().phase(), v1::PHASE_OPEN);
  Change("server.yaml", "[default/gold, default/slow]", "[default/gold]");
  TakeConfig();
  const v1::ChannelState state = good->WaitForState();
  EXPECT_EQ(state.channel(), 2u);
  EXPECT_EQ(state.phase(), v1::PHASE_CLOSED);
  good->stream->WritesDone();
  EXPECT_TRUE(good->Finish().ok());
}

TEST_F(GrpcReloadTest, ABadFileChangesNothingAndIsTold) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  const std::string list = Read("crl.pem");
  WriteFile("crl.pem", "nonsense");
  v1::ReloadServerResponse response;
  const grpc::Status status = Reload(&response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("crl.pem: no revocation list in PEM"));
  EXPECT_THAT(Problem(), HasSubstr("crl.pem"));
  EXPECT_EQ(Attach("revoked")->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  agent->Credit(1, 64, 0);
  EXPECT_EQ(agent->ReadBytes(64).size(), 64u);
  WriteFile("crl.pem", list);
  server_->Tick();
  EXPECT_EQ(Problem(), "");
  Change("server.yaml", "listen:", "listn:");
  EXPECT_THAT(Reload(&response).error_message(), HasSubstr("server.yaml:2:1: unknown key 'listn'"));
  EXPECT_THAT(Problem(), HasSubstr("listn"));
  Revoke("h1");
  server_->Tick();
  EXPECT_EQ(agent->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED)
      << "a typing error keeps no revoked peer in";
  EXPECT_THAT(Problem(), HasSubstr("listn"));
}

// What an editor leaves that has emptied the file and is not ready.
TEST_F(GrpcReloadTest, AConfigurationThatEndsTooEarlyShutsNobodyOut) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  const std::string whole = Read("server.yaml");
  v1::ReloadServerResponse response;
  for (const char* end : {"policy:", "  - {identity: \"spiffe://test/agent/*\""}) {
    WriteFile("server.yaml", whole.substr(0, whole.find(end)));
    EXPECT_FALSE(Reload(&response).ok()) << end;
    EXPECT_THAT(Problem(), HasSubstr("policy"));
  }
  // All rules but those of one role.
  for (const std::string role : {"role: agent", "role: reader", "role: operator"}) {
    std::string rest;
    for (const absl::string_view line : absl::StrSplit(whole, '\n')) {
      if (!absl::StrContains(line, role)) absl::StrAppend(&rest, line, "\n");
    }
    ASSERT_NE(rest, whole + "\n") << role;
    WriteFile("server.yaml", rest);
    TakeConfig();
    EXPECT_THAT(Problem(), HasSubstr(absl::StrCat("no rule has ", role, " any more")));
  }
  agent->Credit(1, 64, 0);
  EXPECT_EQ(agent->ReadBytes(64).size(), 64u);
  WriteFile("server.yaml", whole);
  TakeConfig();
  EXPECT_EQ(Problem(), "");
}

TEST_F(GrpcReloadTest, AConfigurationIsReadWhenItRests) {
  std::unique_ptr<Agent> agent = AttachReady("h2");
  std::unique_ptr<Agent> revoked = AttachReady("h1");
  const std::string whole = Read("server.yaml");
  Change("server.yaml", "spiffe://test/agent/*", "spiffe://test/agent/h1");  // h2 would have to go
  Revoke("h1");
  server_->Tick();
  EXPECT_EQ(revoked->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED)
      << "a list of revoked certificates does not wait";
  WriteFile("server.yaml", absl::StrReplaceAll(whole, {{"rate: 10MiB/s", "rate: 11MiB/s"}}));
  server_->Tick();
  EXPECT_EQ(ClassNow("default", "gold").rate(), 10u << 20) << "it has not rested yet";
  server_->Tick();
  EXPECT_EQ(ClassNow("default", "gold").rate(), 11u << 20);
  agent->Credit(1, 64, 0);
  EXPECT_EQ(agent->ReadBytes(64).size(), 64u);
}

TEST_F(GrpcReloadTest, AConfigurationThatNeverRestsIsTold) {
  const std::string whole = Read("server.yaml");
  bool done = false;
  server_->Reload("SIGHUP", [&done] { done = true; });
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(Problem(), "");
    EXPECT_FALSE(done);
    WriteFile("server.yaml", absl::StrCat(whole, std::string(i, '\n')));
    server_->Tick();
    if (i < 3) clock_.Advance(absl::Seconds(5));
  }
  EXPECT_THAT(Problem(), HasSubstr("it has been changing for 10 s"));
  EXPECT_TRUE(done);
  server_->Tick();
  EXPECT_EQ(Problem(), "") << "it rests";
}

TEST_F(GrpcReloadTest, ASignalThatFindsABadConfigurationForgetsNoList) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  Change("server.yaml", "listen:", "listn:");
  Revoke("h1");
  bool done = false;
  server_->Reload("SIGHUP", [&done] { done = true; });
  TakeConfig();
  EXPECT_TRUE(done);
  EXPECT_EQ(agent->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(GrpcReloadTest, ABadCertificateOfTheServersOwnKeepsNoRevokedPeerIn) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  std::unique_ptr<Agent> other = AttachReady("h2");
  Issue("renewed", "spiffe://test/server");
  std::filesystem::rename(Path("renewed.crt"), Path("server.crt"));
  Revoke("h1");
  server_->Tick();
  EXPECT_EQ(agent->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(Problem(), HasSubstr("it does not belong to the certificate"));
  other->Credit(1, 64, 0);
  EXPECT_EQ(other->ReadBytes(64).size(), 64u);
}

TEST_F(GrpcReloadTest, WhatTimeMendsIsTakenWithoutAChange) {
  // The operator's clock is not put forward, so a new connection would be refused.
  const auto channel = Channel("operator");
  const auto problem = [&channel] {
    BoundedContext context;
    v1::ListAgentsResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(channel)->ListAgents(&context, {}, &response).ok());
    return response.reload_problem();
  };
  EXPECT_EQ(problem(), "");
  Issue("renewed", "spiffe://test/server", absl::Now() + absl::Hours(2));
  std::filesystem::rename(Path("renewed.crt"), Path("server.crt"));
  std::filesystem::rename(Path("renewed.key"), Path("server.key"));
  server_->Tick();
  EXPECT_THAT(problem(), HasSubstr("not valid before"));
  clock_.Advance(absl::Seconds(20));
  server_->Tick();
  EXPECT_THAT(problem(), HasSubstr("not valid before"));
  clock_.Advance(absl::Hours(2));
  server_->Tick();
  EXPECT_EQ(problem(), "");
}

TEST_F(GrpcReloadTest, ANewCertificateIsServedAndOldStreamsGoOn) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  const auto served = [this] {
    BoundedContext context;
    v1::ListAgentsResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListAgents(&context, {}, &response).ok());
    const auto names = context.auth_context()->FindPropertyValues("x509_common_name");
    return names.empty() ? "" : std::string(names[0].data(), names[0].size());
  };
  EXPECT_EQ(served(), "server");
  Issue("renewed", "spiffe://test/server");
  std::filesystem::rename(Path("renewed.crt"), Path("server.crt"));
  server_->Tick();
  EXPECT_EQ(served(), "server") << "the key does not fit yet";
  EXPECT_THAT(Problem(), HasSubstr("it does not belong to the certificate"));
  std::filesystem::rename(Path("renewed.key"), Path("server.key"));
  server_->Tick();
  EXPECT_EQ(served(), "renewed");
  EXPECT_EQ(Problem(), "");
  agent->Credit(1, 64, 0);
  EXPECT_EQ(agent->ReadBytes(64).size(), 64u);
}

TEST_F(GrpcReloadTest, OperatorsReloadAndAreTold) {
  v1::ReloadServerResponse response;
  for (const char* who : {"h1", "reader"}) {
    EXPECT_EQ(Reload(&response, who).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  EXPECT_TRUE(Reload(&response).ok());
  EXPECT_EQ(response.change_size(), 0);
  EXPECT_EQ(response.needs_restart_size(), 0);
  Change("server.yaml", "rate: 10MiB/s", "rate: 11MiB/s");
  Change("server.yaml", "allow_recording: true", "allow_recording: false");
  Change("server.yaml", "listen: 127.0.0.1:0", "listen: 127.0.0.1:1");
  EXPECT_TRUE(Reload(&response).ok());
  EXPECT_THAT(response.change(), ElementsAre("class changed default/gold: rate 10MiB/s -> 11MiB/s",
                                             "setting changed allow_recording: true -> false"));
  EXPECT_THAT(response.needs_restart(), ElementsAre("listen"));
  EXPECT_TRUE(Reload(&response).ok());
  EXPECT_EQ(response.change_size(), 0);
  EXPECT_THAT(response.needs_restart(), ElementsAre("listen")) << "until it is restarted";
  BoundedContext context;
  v1::ListAgentsResponse status;
  EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListAgents(&context, {}, &status).ok());
  EXPECT_THAT(status.needs_restart(), ElementsAre("listen")) << "entropyctl status shows it";
  Change("server.yaml", "rate: 11MiB/s", "rate: none");
  EXPECT_FALSE(Reload(&response).ok());
  const auto denied = AllOf(HasSubstr("call=Reload"), HasSubstr("outcome=\"PERMISSION_DENIED"));
  EXPECT_THAT(Audited(),
              ElementsAre(denied, denied, AllOf(HasSubstr("call=Reload"), HasSubstr("outcome=OK")),
                          HasSubstr("after=\"2 changes\" outcome=OK"), HasSubstr("outcome=OK"),
                          HasSubstr("INVALID_ARGUMENT")));
}

TEST_F(GrpcReloadTest, AReloadThatWaitsEndsWithTheServer) {
  BoundedContext context;
  const auto stub = v1::Admin::NewStub(Channel("operator"));
  grpc::Status status;
  v1::ReloadServerResponse response;
  std::thread operator_thread([&] { status = stub->Reload(&context, {}, &response); });
  absl::SleepFor(absl::Milliseconds(300));
  server_.reset();
  operator_thread.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace entropyd
