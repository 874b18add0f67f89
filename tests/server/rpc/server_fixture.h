// The assembled server in this process, with real TLS, and the generated stubs as its clients.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "base/config/config.h"
#include "base/crypto/tls.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/wire/grpc_status.h"
#include "client/grpc_channel.h"
#include "client/pki/pki.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/admin.grpc.pb.h"
#include "proto/entropy.grpc.pb.h"
#include "server/server.h"
#include "tests/fake_log.h"
#include "tests/server/rpc/bounded_context.h"
#include "tests/temp_dir.h"

namespace entropyd {

inline constexpr absl::string_view kConfigOfTests = R"(
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

// The time, or a later one.
class AheadClock final : public Clock {
 public:
  int64_t NowNanos() const override { return clock_.NowNanos() + ahead_.load(); }
  absl::Time WallTime() const override {
    return clock_.WallTime() + absl::Nanoseconds(ahead_.load());
  }
  void Advance(absl::Duration by) { AdvanceNanos(absl::ToInt64Nanoseconds(by)); }
  void AdvanceNanos(int64_t by) { ahead_ += by; }

 private:
  SystemClock clock_;
  std::atomic<int64_t> ahead_{0};
};

class ServerFixture : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::AgentMessage, v1::ServerMessage>;

  static void SetUpTestSuite() {
    ASSERT_TRUE(tls::RequireTls13().ok());
    files_ = new TempDir;
    dir_ = new std::string(files_->path());
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
    delete dir_;
    delete files_;
  }
  static void Issue(const std::string& name, const std::string& spiffe_id,
                    absl::Time now = absl::Now()) {
    pki::IssueRequest request;
    request.name = name;
    request.spiffe_id = spiffe_id;
    request.dns_names = {"localhost"};
    request.ip_addresses = {"127.0.0.1"};
    const absl::StatusOr<pki::Issued> issued = pki::Issue(*dir_, request, now);
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

  virtual std::string ConfigText() const { return absl::Substitute(kConfigOfTests, *dir_); }
  // Unless said otherwise, the server learns of no new configuration.
  virtual Reloading HowToReload() { return {}; }
  absl::StatusOr<ServerPlan> Plan(const std::string& text) const {
    config::v1::Server config;
    config::Locations locations;
    const absl::Status parsed = config::Parse(text, "server.yaml", &config, &locations);
    if (!parsed.ok()) return parsed;
    return ServerPlan::Check(std::move(config), std::move(locations), clock_);
  }

  void SetUp() override {
    absl::StatusOr<ServerPlan> plan = Plan(ConfigText());
    ASSERT_TRUE(plan.ok()) << plan.status();
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(*std::move(plan), &clock_, &log_, HowToReload());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void TearDown() override {
    server_.reset();
    for (const char* file : {"classes.yaml", "audit.log"}) {
      unlink(absl::StrCat(*dir_, "/", file).c_str());
    }
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
    BoundedContext context;
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
      return AsOursTell(stream->Finish());
    }
  };
  // What a client of ours makes of what gRPC says.
  static grpc::Status AsOursTell(const grpc::Status& status) { return ToGrpc(FromGrpc(status)); }
  double Count(const std::string& metric, const std::string& reason) {
    return server_->metrics()->AddCounter(metric, "", {{"reason", reason}})->Value();
  }
  std::unique_ptr<Agent> Attach(const std::string& who) {
    auto agent = std::make_unique<Agent>();
    agent->stub = v1::Entropy::NewStub(Channel(who));
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
    BoundedContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetRequest request;
    request.set_class_(name);
    request.set_bytes(bytes);
    return AsOursTell(v1::Entropy::NewStub(Channel(who))->Get(&context, request, response));
  }

  static inline TempDir* files_ = nullptr;
  static inline std::string* dir_ = nullptr;  // its path
  AheadClock clock_;
  FakeLog log_{&clock_};
  std::unique_ptr<Server> server_;
};

}  // namespace entropyd
