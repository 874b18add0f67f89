// A server over real TLS that welcomes an agent, opens its classes, and gives it zeros. It knows no
// class default/typo. It is for tests that need an agent with a server; FakeNet (fake_server.h) is
// for all others.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/crypto/tls.h"
#include "base/wire/grpc_credentials.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/entropy.grpc.pb.h"

namespace entropyd {

class AttachServer {
 public:
  // The certificate is for "localhost", and valid at `now`, which is the real time: gRPC asks no
  // other clock.
  AttachServer(const std::string& cert, const std::string& key, const std::string& ca,
               absl::Time now) {
    EXPECT_TRUE(tls::RequireTls13().ok());
    const absl::StatusOr<tls::Material> material = tls::LoadMaterial(cert, key, ca, "", now);
    EXPECT_TRUE(material.ok()) << material.status();
    if (!material.ok()) return;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("localhost:0", tls::ServerCredentials(*material), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
  }
  ~AttachServer() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }
  std::string address() const { return absl::StrCat("localhost:", port_); }

 private:
  class Service final : public v1::Entropy::Service {
    using Stream = grpc::ServerReaderWriter<v1::ServerMessage, v1::AgentMessage>;

    grpc::Status Attach(grpc::ServerContext*, Stream* stream) override {
      uint64_t seq = 0;
      std::map<uint32_t, uint64_t> sent;
      v1::AgentMessage said;
      while (stream->Read(&said)) {
        v1::ServerMessage answer;
        if (said.has_hello()) {
          answer.mutable_welcome()->set_version(1);
          answer.mutable_welcome()->set_session_id(1);
          answer.mutable_welcome()->set_max_credit(256 * 1024);
          answer.mutable_welcome()->set_max_payload(256 * 1024);
        } else if (said.has_open()) {
          answer.add_state()->set_channel(said.open().channel());
          const bool known = said.open().class_() != "default/typo";
          answer.mutable_state(0)->set_phase(known ? v1::PHASE_OPEN : v1::PHASE_CLOSED);
          answer.mutable_state(0)->set_code(known ? 0 : 5);
        } else if (said.has_close()) {
          answer.add_state()->set_channel(said.close().channel());
          answer.mutable_state(0)->set_phase(v1::PHASE_CLOSED);
        } else if (said.has_credit()) {
          for (const v1::Line& line : said.credit().line()) {
            uint64_t& at = sent[line.channel()];
            if (line.limit() <= at) continue;
            v1::Grant* const grant = answer.add_grant();
            grant->set_channel(line.channel());
            grant->set_offset(at);
            grant->set_seed_generation(1);
            grant->set_data(std::string(line.limit() - at, '\0'));
            at = line.limit();
          }
          if (answer.grant_size() == 0) continue;
        } else {
          continue;
        }
        answer.set_seq(++seq);
        stream->Write(answer);
      }
      return grpc::Status::OK;
    }
  };

  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace entropyd
