#include "client/get_client.h"

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "base/wire/grpc_credentials.h"
#include "client/admin_client.h"
#include "client/agent_admin_client.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/entropy.grpc.pb.h"
#include "tests/base/crypto/test_certs.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

// Answers with bytes that count up: as many as asked for, and `surplus` more.
class FakeGetService final : public v1::Entropy::Service {
 public:
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest* request,
                   v1::GetResponse* reply) override {
    sizes.push_back(request->bytes());
    if (request->class_() != "default/gold") {
      return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, refusal);
    }
    for (uint32_t i = 0; i < request->bytes() + surplus; ++i) {
      reply->mutable_data()->push_back(static_cast<char>(next++));
    }
    reply->set_quality(v1::QUALITY_FULL);
    reply->set_seed_generation(7);
    return grpc::Status::OK;
  }

  std::vector<uint32_t> sizes;
  std::string refusal = "not yours";
  int surplus = 0;
  uint8_t next = 1;
};

class GetClientTest : public testing::Test {
 protected:
  void SetUp() override {
    const TestCa ca("DEV");
    const TestCa::Leaf server = ca.Issue({.dns = {"entropyd.test"}});
    const TestCa::Leaf client = ca.Issue({.uris = {"spiffe://dc1/reader/r"}});
    config_.set_cert(Write("c.crt", client.cert_pem));
    config_.set_key(Write("c.key", client.key_pem));
    config_.set_ca(Write("ca.crt", ca.cert_pem()));
    config_.set_server_name("entropyd.test");
    auto material =
        tls::LoadMaterial(Write("s.crt", server.cert_pem), Write("s.key", server.key_pem),
                          config_.ca(), "", absl::Now());
    ASSERT_TRUE(material.ok()) << material.status();
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", tls::ServerCredentials(*material), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown();
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ / name;
    std::ofstream(path) << text;
    return path;
  }
  std::unique_ptr<GetClient> Client() {
    auto client = GetClient::Create(address_, config_, absl::Now());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  const TempDir dir_;
  config::v1::ClientTls config_;
  FakeGetService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(GetClientTest, BytesArriveInOrderWithWhatIsSaidOfThem) {
  std::vector<uint8_t> out(100);
  const auto drawn = Client()->Get("default/gold", absl::MakeSpan(out));
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(drawn->quality, v1::QUALITY_FULL);
  EXPECT_EQ(drawn->seed_generation, 7u);
  for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], i + 1);
}

TEST_F(GetClientTest, MoreThanOneCallMayTakeIsDrawnInSeveral) {
  std::vector<uint8_t> out(GetClient::kMaxBytesPerCall * 2 + 1);
  ASSERT_TRUE(Client()->Get("default/gold", absl::MakeSpan(out)).ok());
  EXPECT_EQ(service_.sizes,
            (std::vector<uint32_t>{GetClient::kMaxBytesPerCall, GetClient::kMaxBytesPerCall, 1}));
  for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<uint8_t>(i + 1));
}

TEST_F(GetClientTest, AReplyOfAnotherLengthIsRefusedAndLeavesNothing) {
  for (int surplus : {1, -1, -16}) {
    service_.surplus = surplus;
    std::vector<uint8_t> out(16, 0xee);
    EXPECT_EQ(Client()->Get("default/gold", absl::MakeSpan(out)).status().code(),
              absl::StatusCode::kInternal);
    EXPECT_EQ(out, std::vector<uint8_t>(16, 0));
  }
}

TEST_F(GetClientTest, TheServersRefusalNamesClassAndServer) {
  uint8_t out[1];
  const absl::Status status = Client()->Get("default/bulk", absl::MakeSpan(out)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), absl::StrCat("get from default/bulk at ", address_, ": not yours"));
  for (const char* begins : {"get from default/bulk: ", "get: "}) {
    service_.refusal = absl::StrCat(begins, "not yours");
    EXPECT_EQ(Client()->Get("default/bulk", absl::MakeSpan(out)).status().message(),
              status.message())
        << "said once";
  }
  EXPECT_EQ(Client()->Get("default/gold", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(GetClientTest, AServerOfAnotherNameIsNotTrusted) {
  config_.set_server_name("other.test");
  uint8_t out[1];
  EXPECT_EQ(Client()->Get("default/gold", absl::MakeSpan(out)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(service_.sizes.empty());
}

TEST_F(GetClientTest, AMissingCertificateIsSaidBeforeAnythingIsDialled) {
  config_.clear_key();
  const absl::Status status = GetClient::Create(address_, config_, absl::Now()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("--key"), absl::string_view::npos) << status;
}

TEST_F(GetClientTest, AdminCallsNameWhatFailed) {
  auto admin = AdminClient::Create(address_, config_, absl::Now());
  ASSERT_TRUE(admin.ok()) << admin.status();
  const absl::Status status = (*admin)->ListPools().status();  // the fake serves no Admin
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find(absl::StrCat("list pools of ", address_)),
            absl::string_view::npos);
}

TEST_F(GetClientTest, AnAgentThatIsNotThereIsUnavailable) {
  const auto agent = AgentAdminClient::Create(dir_ / "agent.sock");
  const absl::Status status = agent->GetStatus().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(dir_ / "agent.sock"), absl::string_view::npos);
}

}  // namespace
}  // namespace entropyd
