// Whatever can be called of the assembled server, by whom: each call asks the gate.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/generic/generic_stub.h"
#include "server/door/door.h"
#include "tests/server/rpc/raw_call.h"
#include "tests/server/rpc/reload_fixture.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

// The paths of what gRPC adds by itself.
constexpr absl::string_view kHealthCheck = "/grpc.health.v1.Health/Check";
constexpr absl::string_view kHealthWatch = "/grpc.health.v1.Health/Watch";
constexpr absl::string_view kReflection =
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

class GrpcGateTest : public ReloadFixture {
 protected:
  // Any method, with a message as the wire has it.
  grpc::Status Call(const std::string& who, absl::string_view path, const std::string& message,
                    std::string* answer = nullptr) {
    return Call(Channel(who), path, message, answer);
  }
  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, absl::string_view path,
                           const std::string& message, std::string* answer = nullptr) {
    BoundedContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::GenericStub stub(channel);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(message);
    const grpc::ByteBuffer request(&slice, 1);
    const auto call = stub.PrepareUnaryCall(&context, std::string(path), request, &queue);
    grpc::ByteBuffer response;
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice whole;
    if (answer != nullptr && response.Valid() && response.DumpToSingleSlice(&whole).ok()) {
      answer->assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    return status;
  }
};

// What every peer of the server may try.
std::vector<std::string> MethodsOf(const std::string& service) {
  std::vector<std::string> methods;
  const google::protobuf::ServiceDescriptor* const known =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
  for (int i = 0; known != nullptr && i < known->method_count(); ++i) {
    methods.push_back(absl::StrCat("/", service, "/", known->method(i)->name()));
  }
  if (service == "grpc.health.v1.Health") {
    methods.emplace_back(kHealthCheck);
    methods.emplace_back(kHealthWatch);
  }
  if (service == "grpc.reflection.v1alpha.ServerReflection") methods.emplace_back(kReflection);
  return methods;
}

// The services in an answer to list_services.
std::set<std::string> ServicesIn(const std::string& answer) {
  std::set<std::string> services;
  google::protobuf::UnknownFieldSet fields, list, service;
  EXPECT_TRUE(fields.ParseFromString(answer));
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() != 6) continue;  // list_services_response
    EXPECT_TRUE(list.ParseFromString(fields.field(i).length_delimited()));
  }
  for (int i = 0; i < list.field_count(); ++i) {
    EXPECT_TRUE(service.ParseFromString(list.field(i).length_delimited()));
    services.insert(service.field(0).length_delimited());
  }
  return services;
}

// Of those whom the handshake lets in, and who lose their role or their certificate afterwards.
TEST_F(GrpcGateTest, EveryMethodOfEveryServiceAsksTheGate) {
  Issue("nobody", "spiffe://test/nobody");
  const std::string config = Read("server.yaml");
  WriteFile("server.yaml",
            absl::StrCat(config, "  - {identity: \"spiffe://test/nobody\", role: operator}\n"));
  TakeConfig();
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
  for (const char* who : {"h2", "nobody"}) {
    channels[who] = Channel(who);
    ASSERT_TRUE(Call(channels[who], kHealthCheck, "").ok()) << who;
  }
  std::string answer;
  const grpc::Status listed = Call("reader", kReflection, std::string("\x3a\0", 2), &answer);
  ASSERT_TRUE(listed.ok()) << listed.error_message();
  std::set<std::string> services = ServicesIn(answer);
  EXPECT_THAT(services, ::testing::IsSupersetOf({"entropyd.v1.Admin", "entropyd.v1.Entropy",
                                                 "grpc.health.v1.Health",
                                                 "grpc.reflection.v1alpha.ServerReflection"}));
  std::vector<std::string> methods = {"/entropyd.v1.Admin/Nonsuch", "/nobody.Knows/This"};
  for (const std::string& service : services) {
    const std::vector<std::string> more = MethodsOf(service);
    EXPECT_FALSE(more.empty()) << "what can be called of " << service << "?";
    methods.insert(methods.end(), more.begin(), more.end());
  }
  EXPECT_GE(methods.size(), 20u);
  Revoke("h2");
  WriteFile("server.yaml", config);
  TakeConfig();
  for (const std::string& method : methods) {
    // gRPC's own streams are cut.
    if (method == kHealthWatch || method == kReflection) {
      for (const char* who : {"h2", "nobody"}) {
        EXPECT_EQ(Call(channels[who], method, "").error_code(), grpc::StatusCode::CANCELLED)
            << method;
      }
      continue;
    }
    const grpc::Status revoked = Call(channels["h2"], method, "");
    EXPECT_EQ(revoked.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    EXPECT_THAT(revoked.error_message(), HasSubstr("is revoked")) << method;
    const grpc::Status roleless = Call(channels["nobody"], method, "");
    EXPECT_EQ(roleless.error_code(), grpc::StatusCode::PERMISSION_DENIED) << method;
    EXPECT_THAT(roleless.error_message(), HasSubstr("spiffe://test/nobody")) << method;
  }
  for (const char* who : {"h1", "reader", "operator"}) {
    EXPECT_TRUE(Call(who, kHealthCheck, "").ok()) << who;
    EXPECT_EQ(Call(who, "/nobody.Knows/This", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
}

// gRPC answers a connection that it has begun to read by its settings.
TEST_F(GrpcGateTest, OfWhomTheHandshakeRefusesNobodyParsesAByte) {
  Issue("nobody", "spiffe://test/nobody");
  Issue("expired", "spiffe://test/agent/expired", absl::Now() - absl::Hours(24 * 400));
  const struct {
    const char* who;
    int alert;
    const char* reason;
    grpc::StatusCode code;
    const char* words;
  } cases[] = {
      {"nobody", SSL_AD_HANDSHAKE_FAILURE, "role", grpc::StatusCode::PERMISSION_DENIED,
       "no policy rule gives spiffe://test/nobody a role"},
      {"revoked", SSL_AD_CERTIFICATE_REVOKED, "revoked", grpc::StatusCode::UNAUTHENTICATED,
       "spiffe://test/agent/revoked: it, or that of its CA, is revoked"},
  };
  for (const auto& one : cases) {
    RawPeer peer(server_->grpc_port(), Path(absl::StrCat(one.who, ".crt")),
                 Path(absl::StrCat(one.who, ".key")));
    EXPECT_EQ(peer.AwaitAlert(), one.alert) << one.who;
    EXPECT_EQ(Count("entropyd_denials_total", one.reason), 1) << one.who;
    v1::GetResponse response;
    const grpc::Status status = Get(one.who, "default/gold", 16, &response);
    EXPECT_EQ(status.error_code(), one.code) << one.who << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(one.words));
  }
  RawPeer expired(server_->grpc_port(), Path("expired.crt"), Path("expired.key"));
  EXPECT_EQ(expired.AwaitAlert(), SSL_AD_CERTIFICATE_EXPIRED);
  EXPECT_EQ(Count("entropyd_denials_total", "expired"), 1);
  v1::GetResponse response;
  EXPECT_TRUE(Get("reader", "default/gold", 16, &response).ok()) << "others are heard";
}

TEST_F(GrpcGateTest, TheRulesOfThisMomentDecideInTheHandshake) {
  Issue("nobody", "spiffe://test/nobody");
  v1::GetResponse response;
  EXPECT_EQ(Get("nobody", "default/gold", 16, &response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  const std::string config = Read("server.yaml");
  WriteFile("server.yaml", absl::StrCat(config,
                                        "  - {identity: \"spiffe://test/nobody\", role: "
                                        "reader, allow: [\"default/gold\"]}\n"));
  TakeConfig();
  EXPECT_TRUE(Get("nobody", "default/gold", 16, &response).ok());
  WriteFile("server.yaml", config);
  TakeConfig();
  EXPECT_EQ(Get("nobody", "default/gold", 16, &response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(GrpcGateTest, AConnectionEndsWithTheRightToHaveIt) {
  RawPeer peer(server_->grpc_port(), Path("h2.crt"), Path("h2.key"));
  EXPECT_TRUE(peer.Call("/grpc.health.v1.Health/Check", {}));
  const auto other = Channel("h1");
  EXPECT_TRUE(Call(other, kHealthCheck, "").ok());
  Revoke("h2");
  server_->Tick();
  clock_.AdvanceNanos(Door::kFarewellNanos);
  server_->Tick();
  EXPECT_TRUE(peer.Ends());
  EXPECT_TRUE(Call(other, kHealthCheck, "").ok());
  EXPECT_TRUE(
      Await([&] { return Count("entropyd_connections_refused_total", "certificate") == 1; }));
}

// gRPC 1.51 aborts the process when it copies the first of these for a processor of metadata.
TEST_F(GrpcGateTest, NoHeaderOfACallEndsTheServer) {
  for (const char* who : {"h1", "reader", "operator"}) {
    for (const char* path : {"/nobody.Knows/This", "/entropyd.v1.Entropy/Get",
                             "/entropyd.v1.Admin/ListPools", "/grpc.health.v1.Health/Check"}) {
      for (const char* name : {"grpclb_client_stats", "lb-token", "lb-cost-bin", "grpc-trace-bin",
                               "grpc-tags-bin", "grpc-server-stats-bin", "grpc-timeout",
                               "grpc-status", "grpc-retry-pushback-ms", "x-bin", "cookie"}) {
        RawPeer peer(server_->grpc_port(), Path(absl::StrCat(who, ".crt")),
                     Path(absl::StrCat(who, ".key")));
        EXPECT_TRUE(peer.Call(path, {{name, "x"}})) << who << " " << path << " " << name;
      }
    }
  }
  v1::GetResponse response;
  EXPECT_TRUE(Get("reader", "default/gold", 16, &response).ok());
}

// The gate lets them in, so that each method of Admin has to ask for the role.
TEST_F(GrpcGateTest, EveryMethodOfAdminIsForOperators) {
  const std::vector<std::string> methods = MethodsOf("entropyd.v1.Admin");
  EXPECT_GE(methods.size(), 10u);
  for (const std::string& method : methods) {
    for (const char* who : {"h1", "reader"}) {
      const grpc::Status status = Call(who, method, "");
      EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << who << ": " << method;
      EXPECT_THAT(status.error_message(), HasSubstr("operator")) << who << ": " << method;
    }
  }
}

// The handshake fails: nothing that such a peer says comes to a gate.
TEST_F(GrpcGateTest, WhoHasNoCertificateIsNotHeard) {
  grpc::SslCredentialsOptions no_certificate;
  no_certificate.pem_root_certs = Read("ca.crt");
  const auto channel = grpc::CreateChannel(absl::StrCat("localhost:", server_->grpc_port()),
                                           grpc::SslCredentials(no_certificate));
  BoundedContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::GetRequest request;
  request.set_class_("default/gold");
  request.set_bytes(16);
  v1::GetResponse response;
  const grpc::Status status = v1::Entropy::NewStub(channel)->Get(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_TRUE(Get("reader", "default/gold", 16, &response).ok()) << "others are heard";
}

TEST_F(GrpcGateTest, WhatGrpcAnswersByItselfEndsForTheRevoked) {
  Issue("watcher", "spiffe://test/agent/watcher");
  for (const absl::string_view path : {kHealthWatch, kReflection}) {
    BoundedContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::GenericStub stub(Channel(path == kHealthWatch ? "watcher" : "reader"));
    grpc::CompletionQueue queue;
    const auto stream = stub.PrepareCall(&context, std::string(path), &queue);
    void* tag = nullptr;
    bool ok = false;
    stream->StartCall(nullptr);
    queue.Next(&tag, &ok);
    const std::string message = path == kHealthWatch ? "" : std::string("\x3a\0", 2);
    const grpc::Slice slice(message);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    queue.Next(&tag, &ok);
    grpc::ByteBuffer answer;
    stream->Read(&answer, nullptr);
    queue.Next(&tag, &ok);
    ASSERT_TRUE(ok) << path;
    const absl::Time revoked = absl::Now();
    Revoke(path == kHealthWatch ? "watcher" : "reader");
    server_->Tick();
    do {
      stream->Read(&answer, nullptr);
      queue.Next(&tag, &ok);
    } while (ok);
    grpc::Status status;
    stream->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    EXPECT_FALSE(status.ok()) << path;
    EXPECT_LT(absl::Now() - revoked, absl::Seconds(2)) << path;
  }
}

}  // namespace
}  // namespace entropyd
