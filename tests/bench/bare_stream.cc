// A bare gRPC mTLS stream. It shows what the transport alone costs.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <stdio.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>
#include <vector>

#include "base/wire/grpc_credentials.h"
#include "proto/entropy.grpc.pb.h"
#include "tests/bench/attach_bench.h"

namespace entropyd::bench {
namespace {

using Seconds = std::chrono::duration<double>;
using Steady = std::chrono::steady_clock;

// Writes the same message again as soon as the last one is done.
class Writer final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit Writer(const grpc::ByteBuffer* message) : message_(message) { StartWrite(message_); }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartWrite(message_);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }

 private:
  const grpc::ByteBuffer* const message_;
};

class BareService final : public v1::Entropy::WithRawCallbackMethod_Attach<v1::Entropy::Service> {
 public:
  explicit BareService(size_t message_bytes) {
    const std::vector<uint8_t> block(message_bytes, 0x5a);
    grpc::Slice slice(block.data(), block.size());
    message_ = grpc::ByteBuffer(&slice, 1);
  }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Attach(
      grpc::CallbackServerContext* context) override {
    return new Writer(&message_);
  }

 private:
  grpc::ByteBuffer message_;
};

// Reads and drops.
class Reader final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Reader(std::shared_ptr<grpc::Channel> channel, std::atomic<bool>* counting,
         std::atomic<uint64_t>* bytes, std::atomic<uint64_t>* messages)
      : stub_(channel), counting_(counting), bytes_(bytes), messages_(messages) {
    stub_.PrepareBidiStreamingCall(&context_, "/entropyd.v1.Entropy/Attach", grpc::StubOptions(),
                                   this);
    StartRead(&message_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (*counting_) {
      *bytes_ += message_.Length();
      ++*messages_;
    }
    StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override { done_ = true; }
  void Stop() {
    context_.TryCancel();
    while (!done_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer message_;
  std::atomic<bool>* counting_;
  std::atomic<uint64_t>* bytes_;
  std::atomic<uint64_t>* messages_;
  std::atomic<bool> done_{false};
};

}  // namespace

int ServeBare(const Endpoint& endpoint, const std::string& ports_file, size_t message_bytes) {
  BareService service(message_bytes);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(endpoint.address, tls::ServerCredentials(LoadOrDie(endpoint)), &port);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    fprintf(stderr, "bench_attach: cannot listen on %s\n", endpoint.address.c_str());
    return 1;
  }
  std::ofstream(ports_file) << "grpc=" << port << std::endl;
  server->Wait();
  return 0;
}

Transfer DrawBare(const Endpoint& endpoint, int streams, double seconds) {
  std::atomic<bool> counting{false};
  std::atomic<uint64_t> bytes{0}, messages{0};
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < streams; ++i) {
    readers.push_back(
        std::make_unique<Reader>(ChannelOrDie(endpoint), &counting, &bytes, &messages));
  }
  std::this_thread::sleep_for(Seconds(seconds / 10));
  const auto start = Steady::now();
  counting = true;
  std::this_thread::sleep_for(Seconds(seconds));
  counting = false;
  const Transfer result = {bytes, messages, Seconds(Steady::now() - start).count()};
  for (auto& reader : readers) reader->Stop();
  return result;
}

}  // namespace entropyd::bench
