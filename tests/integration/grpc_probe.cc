// Asks a server what every gRPC tool asks: is it healthy, and which services does it have?
//
//   it_grpc_probe HOST:PORT CERT KEY CA
//
// Prints `health: SERVING` (or the number) and one service name a line. Exit 1 when a call fails.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <stdio.h>

#include <future>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "client/grpc_channel.h"

namespace {

// Requests and answers of both services are small, so this file writes and reads them as bytes. A
// health request is empty, its answer is field 1. A reflection request for the list is field 7 =
// "*".
constexpr char kListServices[] = "\x3a\x01*";

grpc::ByteBuffer Bytes(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

// One request, one answer, on a call of either kind.
class Exchange final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Exchange(grpc::GenericStub* stub, const std::string& method, const std::string& request)
      : request_(Bytes(request)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    stub->PrepareBidiStreamingCall(&context_, method, grpc::StubOptions(), this);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&answer_);
    StartCall();
  }
  void OnDone(const grpc::Status& status) override { done_.set_value(status); }
  // Exits when the call failed.
  std::string Await(const std::string& what) {
    const grpc::Status status = done_.get_future().get();
    if (!status.ok()) {
      fprintf(stderr, "it_grpc_probe: %s: %s\n", what.c_str(), status.error_message().c_str());
      exit(1);
    }
    return Text(answer_);
  }

 private:
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
  std::promise<grpc::Status> done_;
};

}  // namespace

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc != 5) {
    fprintf(stderr, "usage: it_grpc_probe HOST:PORT CERT KEY CA\n");
    return 2;
  }
  entropyd::config::v1::ClientTls tls;
  tls.set_cert(argv[2]);
  tls.set_key(argv[3]);
  tls.set_ca(argv[4]);
  const absl::Status tls13 = entropyd::tls::RequireTls13();
  auto channel = entropyd::MakeChannel(argv[1], tls, absl::Now());
  if (!tls13.ok() || !channel.ok()) {
    fprintf(stderr, "it_grpc_probe: %s %s\n", tls13.ToString().c_str(),
            channel.status().ToString().c_str());
    return 1;
  }
  grpc::GenericStub stub(*channel);
  const std::string health = Exchange(&stub, "/grpc.health.v1.Health/Check", "").Await("health");
  const bool serving = health == std::string("\x08\x01");
  printf("health: %s\n", serving ? "SERVING" : "not serving");
  const std::string services =
      Exchange(&stub, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
               kListServices)
          .Await("reflection");
  for (const char* name : {"entropyd.v1.Entropy", "entropyd.v1.Admin", "grpc.health.v1.Health"}) {
    if (services.find(name) != std::string::npos) printf("%s\n", name);
  }
  return 0;
}
