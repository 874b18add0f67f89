// What operators see and do, by calls of the assembled server.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "tests/server/rpc/server_fixture.h"

namespace entropyd {
namespace {

class AdminServiceTest : public ServerFixture {
 protected:
  // The lines of the audit, each from its call on. The server is gone then.
  std::vector<std::string> Audited() {
    server_.reset();
    std::vector<std::string> lines;
    for (absl::string_view line : absl::StrSplit(Read("audit.log"), '\n', absl::SkipEmpty())) {
      lines.emplace_back(line.substr(line.find("call=")));
    }
    return lines;
  }
  void Restart() {
    server_.reset();
    SetUp();
  }

  // The answer of Admin to `who`.
  grpc::Status SetCeil(const std::string& who, const std::string& name, uint64_t ceil,
                       v1::SetClassResponse* response) {
    BoundedContext context;
    v1::SetClassRequest request;
    request.set_pool("default");
    request.set_class_(name);
    request.mutable_set()->set_ceil(ceil);
    return v1::Admin::NewStub(Channel(who))->SetClass(&context, request, response);
  }
  grpc::Status Reset(const std::string& who, v1::ResetClassResponse* response) {
    BoundedContext context;
    return v1::Admin::NewStub(Channel(who))->ResetClass(&context, {}, response);
  }
  grpc::Status ResetSource(const std::string& name) {
    BoundedContext context;
    v1::ResetSourceRequest request;
    request.set_name(name);
    v1::ResetSourceResponse response;
    return v1::Admin::NewStub(Channel("operator"))->ResetSource(&context, request, &response);
  }
  grpc::Status Drain(bool end) {
    BoundedContext context;
    v1::DrainRequest request;
    request.set_end(end);
    v1::DrainResponse response;
    return v1::Admin::NewStub(Channel("operator"))->Drain(&context, request, &response);
  }
  grpc::Status Record(uint64_t samples) {
    BoundedContext context;
    v1::RecordSourceRequest request;
    request.set_name("kernel");
    request.set_samples(samples);
    const auto reader = v1::Admin::NewStub(Channel("operator"))->RecordSource(&context, request);
    v1::RecordSourceResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  }
  v1::ListClassDifferencesResponse Differences() {
    BoundedContext context;
    v1::ListClassDifferencesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))
                    ->ListClassDifferences(&context, {}, &response)
                    .ok());
    return response;
  }
  uint64_t CeilOf(const std::string& name) {
    BoundedContext context;
    v1::ListClassesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListClasses(&context, {}, &response).ok());
    for (const v1::Class& one : response.class_()) {
      if (one.name() == name) return one.ceil();
    }
    ADD_FAILURE() << "no class " << name;
    return 0;
  }
};

TEST_F(AdminServiceTest, OperatorsListAndDrain) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  agent->Credit(1, 100, 0);
  ASSERT_EQ(agent->ReadBytes(100).size(), 100u);
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  {
    BoundedContext context;
    v1::ListAgentsResponse response;
    ASSERT_TRUE(admin->ListAgents(&context, {}, &response).ok());
    ASSERT_EQ(response.agent_size(), 1);
    EXPECT_EQ(response.agent(0).identity(), "spiffe://test/agent/h1");
    EXPECT_EQ(response.agent(0).channel(0).sent(), 100u);
    EXPECT_EQ(response.agent(0).unconfirmed_bytes(), 100u);
  }
  {
    BoundedContext context;
    v1::ListClassesResponse response;
    ASSERT_TRUE(admin->ListClasses(&context, {}, &response).ok());
    ASSERT_EQ(response.class__size(), 3);
    EXPECT_EQ(response.class_(0).name(), "root");
    EXPECT_EQ(response.class_(0).delivered_bytes(), 100u);
  }
  {
    BoundedContext context;
    v1::ListPoolsResponse response;
    ASSERT_TRUE(admin->ListPools(&context, {}, &response).ok());
    EXPECT_TRUE(response.pool(0).ready());
  }
  {
    BoundedContext context;
    v1::DrainRequest request;
    v1::DrainResponse response;
    request.set_identity("spiffe://test/agent/h1");
    request.set_deadline_seconds(1);
    ASSERT_TRUE(admin->Drain(&context, request, &response).ok());
    EXPECT_EQ(response.sessions(), 1u);
  }
  EXPECT_EQ(agent->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(AdminServiceTest, OperatorsTestResetAndRecordSources) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  {
    BoundedContext context;
    v1::TestSourceRequest request;
    request.set_name("kernel");
    v1::TestSourceResponse response;
    ASSERT_TRUE(admin->TestSource(&context, request, &response).ok());
    EXPECT_EQ(response.source().state(), v1::SOURCE_STATE_HEALTHY);
    EXPECT_GE(response.source().startups(), 2u);
  }
  {
    BoundedContext context;
    v1::ResetSourceRequest request;
    request.set_name("nobody");
    v1::ResetSourceResponse response;
    EXPECT_EQ(admin->ResetSource(&context, request, &response).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  const auto record = [&](const std::string& name, uint64_t samples, uint32_t restarts,
                          size_t* got) {
    BoundedContext context;
    v1::RecordSourceRequest request;
    request.set_name(name);
    request.set_samples(samples);
    request.set_restarts(restarts);
    const auto reader = admin->RecordSource(&context, request);
    v1::RecordSourceResponse response;
    *got = 0;
    while (reader->Read(&response)) *got += response.samples().size();
    return reader->Finish();
  };
  size_t got = 0;
  EXPECT_TRUE(record("kernel", 300'000, 0, &got).ok());
  EXPECT_EQ(got, 300'000u);
  EXPECT_TRUE(record("kernel", 1000, 10, &got).ok());
  EXPECT_EQ(got, 10'000u);
  EXPECT_EQ(record("nobody", 1, 0, &got).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(record("kernel", 0, 0, &got).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(record("kernel", 1 << 30, 2, &got).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  {
    BoundedContext context;
    v1::SelfTestResponse response;
    ASSERT_TRUE(admin->SelfTest(&context, {}, &response).ok());
    EXPECT_EQ(response.passed_size(), 3);
  }
}

TEST_F(AdminServiceTest, NobodyEndsAStop) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  const auto list = [&](v1::ListAgentsResponse* response) {
    BoundedContext context;
    return admin->ListAgents(&context, {}, response).ok();
  };
  std::unique_ptr<Agent> agent = AttachReady("h1");
  v1::ListAgentsResponse serving;
  ASSERT_TRUE(list(&serving));
  EXPECT_FALSE(serving.draining());
  EXPECT_FALSE(serving.stopping());
  std::thread stop([this] { server_->Stop(); });
  v1::ServerMessage message;
  EXPECT_TRUE(agent->stream->Read(&message));
  EXPECT_TRUE(message.has_drain());
  BoundedContext context;
  v1::DrainRequest end;
  end.set_end(true);
  v1::DrainResponse response;
  const grpc::Status ended = admin->Drain(&context, end, &response);
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ended.error_message(),
            "drain: the server stops, and that cannot be undone; start it again");
  v1::ListAgentsResponse stopping;
  EXPECT_TRUE(list(&stopping));
  EXPECT_TRUE(stopping.draining());
  EXPECT_TRUE(stopping.stopping());
  agent->Finish();
  stop.join();
}

TEST_F(AdminServiceTest, WhatOperatorsDoIsAudited) {
  AttachReady("h1");  // from now on the source is healthy
  EXPECT_TRUE(ResetSource("kernel").ok());
  EXPECT_FALSE(ResetSource("nobody").ok());
  EXPECT_TRUE(Record(1000).ok());
  EXPECT_FALSE(Record(0).ok());
  v1::SetClassResponse set;
  EXPECT_TRUE(SetCeil("operator", "gold", 20 << 20, &set).ok());
  EXPECT_FALSE(SetCeil("operator", "none", 20 << 20, &set).ok());
  EXPECT_FALSE(SetCeil("h1", "gold", 30 << 20, &set).ok());
  EXPECT_TRUE(Drain(false).ok());
  EXPECT_TRUE(Drain(true).ok());
  EXPECT_FALSE(Drain(true).ok());
  CeilOf("gold");  // looks only

  using ::testing::AllOf;
  using ::testing::HasSubstr;
  using ::testing::StartsWith;
  const auto line = [](const std::string& call, const std::string& end) {
    return AllOf(StartsWith(absl::StrCat("call=", call, " by=spiffe://test/operator peer=ipv4:")),
                 HasSubstr(end));
  };
  EXPECT_THAT(
      Audited(),
      ::testing::ElementsAre(
          line("ResetSource", "target=kernel before=healthy after=healthy outcome=OK"),
          line("ResetSource", "target=nobody before=\"\" after=\"\" outcome=\"NOT_FOUND: "),
          line("RecordSource", "target=kernel before=\"\" after=\"1000 samples sent\" outcome=OK"),
          line("RecordSource", "target=kernel before=\"\" after=\"\" outcome=\"INVALID_ARGUMENT: "),
          line("SetClass",
               "target=default/gold before=\"ceil=none\" after=\"ceil=20MiB/s\" outcome=OK"),
          line("SetClass", "target=default/none before=\"\" after=\"\" outcome=\"NOT_FOUND: "),
          AllOf(StartsWith("call=SetClass by=spiffe://test/agent/h1 peer=ipv4:"),
                HasSubstr("outcome=\"PERMISSION_DENIED: "), HasSubstr("count=1")),
          line("Drain", "target=all before=serving after=draining outcome=OK"),
          line("Drain", "target=all before=draining after=serving outcome=OK"),
          line("Drain",
               "target=all before=serving after=serving outcome=\"FAILED_PRECONDITION: ")));
}

TEST_F(AdminServiceTest, WhoIsDeniedLeavesALineForEachCallAndNotMany) {
  const auto admin = v1::Admin::NewStub(Channel("reader"));
  for (int i = 0; i < 20; ++i) {
    BoundedContext context;
    v1::ListAgentsResponse agents;
    EXPECT_FALSE(admin->ListAgents(&context, {}, &agents).ok());
    BoundedContext another;
    v1::ListSourcesResponse sources;
    EXPECT_FALSE(admin->ListSources(&another, {}, &sources).ok());
  }
  v1::SetClassResponse set;
  EXPECT_FALSE(SetCeil("h1", "gold", 30 << 20, &set).ok());
  const auto line = [](const std::string& call, const std::string& by) {
    return ::testing::AllOf(
        ::testing::StartsWith(absl::StrCat("call=", call, " by=spiffe://test/", by, " peer=ipv4:")),
        ::testing::HasSubstr("outcome=\"PERMISSION_DENIED: permission denied: no policy rule"));
  };
  EXPECT_THAT(Audited(),
              ::testing::ElementsAre(line("ListAgents", "reader"), line("ListSources", "reader"),
                                     line("SetClass", "agent/h1")));
}

TEST_F(AdminServiceTest, StopEndsARecordingThatRuns) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  BoundedContext context;
  v1::RecordSourceRequest request;
  request.set_name("kernel");
  request.set_samples(1 << 30);
  const auto reader = admin->RecordSource(&context, request);
  v1::RecordSourceResponse response;
  ASSERT_TRUE(reader->Read(&response));
  std::thread stopper([this] { server_->Stop(); });
  while (reader->Read(&response)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
  stopper.join();
}

TEST_F(AdminServiceTest, AChangedClassIsInForceAtOnceAndAfterARestartUntilItIsReset) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  v1::SetClassResponse set;
  const grpc::Status status = SetCeil("operator", "gold", 20 << 20, &set);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(set.kept());
  ASSERT_EQ(set.difference_size(), 1);
  EXPECT_EQ(set.difference(0).configured(), "none");
  EXPECT_EQ(set.difference(0).in_force(), "20MiB/s");
  EXPECT_EQ(set.difference(0).by(), "spiffe://test/operator");
  EXPECT_EQ(agent->WaitForState().ceil(), 20u << 20) << "agents are told";
  EXPECT_EQ(CeilOf("gold"), 20u << 20);

  Restart();
  EXPECT_EQ(CeilOf("gold"), 20u << 20);
  ASSERT_EQ(Differences().difference_size(), 1);
  EXPECT_EQ(Differences().difference(0).at(), set.difference(0).at());
  v1::ResetClassResponse reset;
  ASSERT_TRUE(Reset("operator", &reset).ok());
  EXPECT_EQ(reset.undone_size(), 1);
  EXPECT_EQ(CeilOf("gold"), 0u);
  Restart();
  EXPECT_EQ(CeilOf("gold"), 0u);
  EXPECT_EQ(Differences().difference_size(), 0);
}

TEST_F(AdminServiceTest, ARefusedChangeOfAClassChangesNothing) {
  v1::SetClassResponse response;
  const grpc::Status low = SetCeil("operator", "gold", 1024, &response);
  EXPECT_EQ(low.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(low.error_message().find("class 'gold': ceil 1KiB/s is below the rate 10MiB/s; raise "),
            std::string::npos)
      << low.error_message();
  EXPECT_EQ(SetCeil("operator", "nonsuch", 1 << 30, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  for (const char* who : {"h1", "reader"}) {
    EXPECT_EQ(SetCeil(who, "gold", 20 << 20, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
    v1::ResetClassResponse reset;
    EXPECT_EQ(Reset(who, &reset).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  EXPECT_EQ(CeilOf("gold"), 0u);
  EXPECT_EQ(Differences().difference_size(), 0);
}

TEST_F(AdminServiceTest, AdminNeedsAnOperator) {
  for (const char* who : {"h1", "reader"}) {
    BoundedContext context;
    v1::ListAgentsResponse response;
    EXPECT_EQ(v1::Admin::NewStub(Channel(who))->ListAgents(&context, {}, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
  }
}

}  // namespace
}  // namespace entropyd
