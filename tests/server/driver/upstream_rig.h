// Driver `upstream` and a server in this process, over real TLS. A test can make the server
// misbehave. It stands apart from the other rigs because it needs gRPC.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "base/wire/grpc_credentials.h"
#include "client/pki/pki.h"
#include "grpcpp/server_builder.h"
#include "proto/entropy.grpc.pb.h"
#include "server/driver/upstream_driver.h"
#include "tests/server/driver/driver_rigs.h"
#include "tests/temp_dir.h"

namespace entropyd {

class UpstreamRig final : public Rig {
 public:
  UpstreamRig() {
    EXPECT_TRUE(tls::RequireTls13().ok());
    EXPECT_TRUE(pki::Init(directory_.path(), {.common_name = "TEST"}, absl::Now()).ok());
    for (const char* name : {"server", "reader"}) {
      pki::IssueRequest request;
      request.name = name;
      request.spiffe_id = absl::StrCat("spiffe://test/", name);
      request.dns_names = {"localhost"};
      EXPECT_TRUE(pki::Issue(directory_.path(), request, absl::Now()).ok());
    }
    Replug();
  }
  ~UpstreamRig() override {
    Resume();
    Unplug();
  }
  std::unique_ptr<SourceDriver> MakeDriver() override {
    return UpstreamDriver::Create(Config(), UpstreamDriver::Identify(Config()));
  }
  config::v1::SourceConfig Config() override {
    config::v1::SourceConfig config;
    config.set_driver("upstream");
    config.set_address(absl::StrCat("localhost:", port_));
    config.set_class_("default/bulk");
    config.mutable_tls()->set_cert(directory_ / "reader.crt");
    config.mutable_tls()->set_key(directory_ / "reader.key");
    config.mutable_tls()->set_ca(directory_ / "ca.crt");
    return config;
  }
  void Stall() override { service_.Set(Mode::kSilent); }
  void Resume() override { service_.Set(Mode::kHonest); }
  void Unplug() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  void Replug() override {
    const absl::StatusOr<tls::Material> material =
        tls::LoadMaterial(directory_ / "server.crt", directory_ / "server.key",
                          directory_ / "ca.crt", "", absl::Now());
    ASSERT_TRUE(material.ok()) << material.status();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("localhost:", port_), tls::ServerCredentials(*material),
                             &port_);  // the same again after Unplug()
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Break() override { service_.Set(Mode::kSuspended); }
  void Mend() override { service_.Set(Mode::kHonest); }
  void Lie() override { service_.Set(Mode::kRepeat); }

 private:
  enum class Mode { kHonest, kSilent, kSuspended, kRepeat };

  class Service final : public v1::Entropy::Service {
   public:
    void Set(Mode mode) {
      absl::MutexLock lock(&mutex_);
      mode_ = mode;
    }
    grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                     v1::GetResponse* response) override {
      absl::MutexLock lock(&mutex_);
      const auto may_answer = [this] {
        mutex_.AssertReaderHeld();
        return mode_ != Mode::kSilent;
      };
      mutex_.Await(absl::Condition(&may_answer));
      if (mode_ == Mode::kSuspended) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "pool default is suspended");
      }
      for (uint32_t i = 0; i < request->bytes(); ++i) {
        response->mutable_data()->push_back(
            mode_ == Mode::kRepeat ? 'Z' : static_cast<char>(generator_()));
      }
      return grpc::Status::OK;
    }

   private:
    absl::Mutex mutex_;
    Mode mode_ ABSL_GUARDED_BY(mutex_) = Mode::kHonest;
    std::mt19937 generator_ ABSL_GUARDED_BY(mutex_){17};
  };

  TempDir directory_;
  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace entropyd
