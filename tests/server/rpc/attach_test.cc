// The assembled server in this process, with real TLS, and the generated stubs as its clients.
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "base/config/config.h"
#include "base/crypto/tls.h"
#include "base/process/clock.h"
#include "base/process/log.h"
#include "client/grpc_channel.h"
#include "client/pki/pki.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/admin.grpc.pb.h"
#include "proto/entropy.grpc.pb.h"
#include "server/server.h"

namespace entropyd {
namespace {

constexpr absl::string_view kConfig = R"(
listen: 127.0.0.1:0
metrics: ""
tls: {cert: $0/server.crt, key: $0/server.key, client_ca: $0/ca.crt, crl: $0/crl.pem}
allow_software: true
allow_recording: true
state_dir: $0
audit_log: $0/audit.log
sources:
  - {name: kernel, driver: getrandom}
pools:
  - name: default
    sources: [kernel]
    classes:
      - {name: root, rate: 100MiB/s}
      - {name: gold, parent: root, rate: 10MiB/s}
      - {name: secret, parent: root, rate: 1MiB/s}
policy:
  - {identity: "spiffe://test/agent/*", role: agent, allow: ["default/gold"]}
  - {identity: "spiffe://test/reader", role: reader, allow: ["default/*"]}
  - {identity: "spiffe://test/operator", role: operator}
)";

// A quiet log: these tests do not look at it.
class NoLog final : public Log {
 public:
  explicit NoLog(const Clock* clock) : Log(clock) {}
  void Write(LogLevel, absl::string_view, Fields) override {}
};

class GrpcAttachTest : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::AgentMessage, v1::ServerMessage>;

  static void SetUpTestSuite() {
    ASSERT_TRUE(tls::RequireTls13().ok());
    char name[] = "/tmp/attach_test.XXXXXX";
    dir_ = new std::string(mkdtemp(name));
    ASSERT_TRUE(pki::Init(*dir_, {.common_name = "TEST"}, absl::Now()).ok());
    Issue("server", "spiffe://test/server");
    for (const char* agent : {"h1", "h2", "revoked"}) {
      Issue(agent, absl::StrCat("spiffe://test/agent/", agent));
    }
    Issue("reader", "spiffe://test/reader");
    Issue("operator", "spiffe://test/operator");
    const std::string revoked = Read("revoked.crt");
    ASSERT_TRUE(pki::Revoke(*dir_, revoked, absl::Now()).ok());
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(system(absl::StrCat("rm -rf ", *dir_).c_str()), 0);
    delete dir_;
  }
  static void Issue(const std::string& name, const std::string& spiffe_id) {
    pki::IssueRequest request;
    request.name = name;
    request.spiffe_id = spiffe_id;
    request.dns_names = {"localhost"};
    request.ip_addresses = {"127.0.0.1"};
    const absl::StatusOr<pki::Issued> issued = pki::Issue(*dir_, request, absl::Now());
    ASSERT_TRUE(issued.ok()) << issued.status();
  }
  static std::string Read(const std::string& file) {
    std::string text;
    FILE* in = fopen(absl::StrCat(*dir_, "/", file).c_str(), "r");
    char buffer[4096];
    text.assign(buffer, fread(buffer, 1, sizeof(buffer), in));
    fclose(in);
    return text;
  }

  void SetUp() override {
    config::v1::Server config;
    config::Locations locations;
    absl::Status parsed =
        config::Parse(absl::Substitute(kConfig, *dir_), "server.yaml", &config, &locations);
    ASSERT_TRUE(parsed.ok()) << parsed;
    absl::StatusOr<ServerPlan> plan =
        ServerPlan::Check(std::move(config), std::move(locations), clock_);
    ASSERT_TRUE(plan.ok()) << plan.status();
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(*std::move(plan), &clock_, &log_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void TearDown() override {
    server_.reset();
    for (const char* file : {"classes.yaml", "audit.log"}) {
      unlink(absl::StrCat(*dir_, "/", file).c_str());
    }
  }
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

  std::shared_ptr<grpc::Channel> Channel(const std::string& who) {
    config::v1::ClientTls tls;
    tls.set_cert(absl::StrCat(*dir_, "/", who, ".crt"));
    tls.set_key(absl::StrCat(*dir_, "/", who, ".key"));
    tls.set_ca(absl::StrCat(*dir_, "/ca.crt"));
    return MakeChannel(absl::StrCat("localhost:", server_->grpc_port()), tls, absl::Now()).value();
  }

  // A client's end of one Attach stream; every blocking call has the test's deadline.
  struct Agent {
    std::unique_ptr<v1::Entropy::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;

    void Hello(char host = 'h') {
      v1::AgentMessage message;
      message.mutable_hello()->set_version_min(1);
      message.mutable_hello()->set_version_max(1);
      message.mutable_hello()->set_host_id(std::string(16, host));
      stream->Write(message);
    }
    void Open(uint32_t channel, const std::string& name) {
      v1::AgentMessage message;
      message.mutable_open()->set_channel(channel);
      message.mutable_open()->set_class_(name);
      stream->Write(message);
    }
    void Credit(uint32_t channel, uint64_t limit, uint64_t received) {
      v1::AgentMessage message;
      v1::Line* line = message.mutable_credit()->add_line();
      line->set_channel(channel);
      line->set_limit(limit);
      line->set_received(received);
      stream->Write(message);
    }
    // The channel's state once it is not SUSPENDED any more (sources start up meanwhile).
    v1::ChannelState WaitForState() {
      v1::ServerMessage message;
      while (stream->Read(&message)) {
        for (const v1::ChannelState& state : message.state()) {
          if (state.phase() != v1::PHASE_SUSPENDED) return state;
        }
      }
      return {};
    }
    std::string ReadBytes(size_t bytes) {
      std::string data;
      v1::ServerMessage message;
      while (data.size() < bytes && stream->Read(&message)) {
        for (const v1::Grant& grant : message.grant()) {
          EXPECT_EQ(grant.offset(), data.size());
          data += grant.data();
        }
      }
      return data;
    }
    grpc::Status Finish() {
      v1::ServerMessage message;
      while (stream->Read(&message)) {
      }
      return stream->Finish();
    }
  };
  std::unique_ptr<Agent> Attach(const std::string& who) {
    auto agent = std::make_unique<Agent>();
    agent->stub = v1::Entropy::NewStub(Channel(who));
    agent->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    agent->stream = agent->stub->Attach(&agent->context);
    return agent;
  }
  std::unique_ptr<Agent> AttachReady(const std::string& who) {
    std::unique_ptr<Agent> agent = Attach(who);
    agent->Hello();
    agent->Open(1, "default/gold");
    EXPECT_EQ(agent->WaitForState().phase(), v1::PHASE_OPEN);
    return agent;
  }
  grpc::Status Get(const std::string& who, const std::string& name, uint32_t bytes,
                   v1::GetResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetRequest request;
    request.set_class_(name);
    request.set_bytes(bytes);
    return v1::Entropy::NewStub(Channel(who))->Get(&context, request, response);
  }

  // The answer of Admin to `who`.
  grpc::Status SetCeil(const std::string& who, const std::string& name, uint64_t ceil,
                       v1::SetClassResponse* response) {
    grpc::ClientContext context;
    v1::SetClassRequest request;
    request.set_pool("default");
    request.set_class_(name);
    request.mutable_set()->set_ceil(ceil);
    return v1::Admin::NewStub(Channel(who))->SetClass(&context, request, response);
  }
  grpc::Status Reset(const std::string& who, v1::ResetClassResponse* response) {
    grpc::ClientContext context;
    return v1::Admin::NewStub(Channel(who))->ResetClass(&context, {}, response);
  }
  v1::ListClassDifferencesResponse Differences() {
    grpc::ClientContext context;
    v1::ListClassDifferencesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))
                    ->ListClassDifferences(&context, {}, &response)
                    .ok());
    return response;
  }
  uint64_t CeilOf(const std::string& name) {
    grpc::ClientContext context;
    v1::ListClassesResponse response;
    EXPECT_TRUE(v1::Admin::NewStub(Channel("operator"))->ListClasses(&context, {}, &response).ok());
    for (const v1::Class& one : response.class_()) {
      if (one.name() == name) return one.ceil();
    }
    ADD_FAILURE() << "no class " << name;
    return 0;
  }

  static std::string* dir_;
  SystemClock clock_;
  NoLog log_{&clock_};
  std::unique_ptr<Server> server_;
};

std::string* GrpcAttachTest::dir_ = nullptr;

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

TEST_F(GrpcAttachTest, OperatorsListAndDrain) {
  std::unique_ptr<Agent> agent = AttachReady("h1");
  agent->Credit(1, 100, 0);
  ASSERT_EQ(agent->ReadBytes(100).size(), 100u);
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  {
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    ASSERT_TRUE(admin->ListAgents(&context, {}, &response).ok());
    ASSERT_EQ(response.agent_size(), 1);
    EXPECT_EQ(response.agent(0).identity(), "spiffe://test/agent/h1");
    EXPECT_EQ(response.agent(0).channel(0).sent(), 100u);
    EXPECT_EQ(response.agent(0).unconfirmed_bytes(), 100u);
  }
  {
    grpc::ClientContext context;
    v1::ListClassesResponse response;
    ASSERT_TRUE(admin->ListClasses(&context, {}, &response).ok());
    ASSERT_EQ(response.class__size(), 3);
    EXPECT_EQ(response.class_(0).name(), "root");
    EXPECT_EQ(response.class_(0).delivered_bytes(), 100u);
  }
  {
    grpc::ClientContext context;
    v1::ListPoolsResponse response;
    ASSERT_TRUE(admin->ListPools(&context, {}, &response).ok());
    EXPECT_TRUE(response.pool(0).ready());
  }
  {
    grpc::ClientContext context;
    v1::DrainRequest request;
    v1::DrainResponse response;
    request.set_identity("spiffe://test/agent/h1");
    request.set_deadline_seconds(1);
    ASSERT_TRUE(admin->Drain(&context, request, &response).ok());
    EXPECT_EQ(response.sessions(), 1u);
  }
  EXPECT_EQ(agent->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcAttachTest, OperatorsTestResetAndRecordSources) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  {
    grpc::ClientContext context;
    v1::TestSourceRequest request;
    request.set_name("kernel");
    v1::TestSourceResponse response;
    ASSERT_TRUE(admin->TestSource(&context, request, &response).ok());
    EXPECT_EQ(response.source().state(), v1::SOURCE_STATE_HEALTHY);
    EXPECT_GE(response.source().startups(), 2u);
  }
  {
    grpc::ClientContext context;
    v1::ResetSourceRequest request;
    request.set_name("nobody");
    v1::ResetSourceResponse response;
    EXPECT_EQ(admin->ResetSource(&context, request, &response).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  const auto record = [&](const std::string& name, uint64_t samples, uint32_t restarts,
                          size_t* got) {
    grpc::ClientContext context;
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
    grpc::ClientContext context;
    v1::SelfTestResponse response;
    ASSERT_TRUE(admin->SelfTest(&context, {}, &response).ok());
    EXPECT_EQ(response.passed_size(), 3);
  }
}

TEST_F(GrpcAttachTest, WhatOperatorsDoIsAudited) {
  AttachReady("h1");  // from now on the source is healthy
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  const auto reset = [&](const std::string& name) {
    grpc::ClientContext context;
    v1::ResetSourceRequest request;
    request.set_name(name);
    v1::ResetSourceResponse response;
    return admin->ResetSource(&context, request, &response);
  };
  const auto drain = [&](bool end) {
    grpc::ClientContext context;
    v1::DrainRequest request;
    request.set_end(end);
    v1::DrainResponse response;
    return admin->Drain(&context, request, &response);
  };
  const auto record = [&](uint64_t samples) {
    grpc::ClientContext context;
    v1::RecordSourceRequest request;
    request.set_name("kernel");
    request.set_samples(samples);
    const auto reader = admin->RecordSource(&context, request);
    v1::RecordSourceResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  };
  EXPECT_TRUE(reset("kernel").ok());
  EXPECT_FALSE(reset("nobody").ok());
  EXPECT_TRUE(record(1000).ok());
  EXPECT_FALSE(record(0).ok());
  v1::SetClassResponse set;
  EXPECT_TRUE(SetCeil("operator", "gold", 20 << 20, &set).ok());
  EXPECT_FALSE(SetCeil("operator", "none", 20 << 20, &set).ok());
  EXPECT_FALSE(SetCeil("h1", "gold", 30 << 20, &set).ok()) << "the gate tells of this one";
  EXPECT_TRUE(drain(false).ok());
  EXPECT_TRUE(drain(true).ok());
  EXPECT_FALSE(drain(true).ok());
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
          line("Drain", "target=all before=serving after=draining outcome=OK"),
          line("Drain", "target=all before=draining after=serving outcome=OK"),
          line("Drain",
               "target=all before=serving after=serving outcome=\"FAILED_PRECONDITION: ")));
}

TEST_F(GrpcAttachTest, StopEndsARecordingThatRuns) {
  const auto admin = v1::Admin::NewStub(Channel("operator"));
  grpc::ClientContext context;
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

TEST_F(GrpcAttachTest, AChangedClassIsInForceAtOnceAndAfterARestartUntilItIsReset) {
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

TEST_F(GrpcAttachTest, ARefusedChangeOfAClassChangesNothing) {
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

TEST_F(GrpcAttachTest, AdminNeedsAnOperator) {
  for (const char* who : {"h1", "reader"}) {
    grpc::ClientContext context;
    v1::ListAgentsResponse response;
    EXPECT_EQ(v1::Admin::NewStub(Channel(who))->ListAgents(&context, {}, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
  }
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
