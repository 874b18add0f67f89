#include "server/rpc/attach_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/wire/grpc_status.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "proto/entropy.grpc.pb.h"
#include "server/rpc/grpc_caller.h"

namespace entropyd {
namespace {

using grpc::ByteBuffer;

// Hands over the memory: gRPC's last reference wipes it.
ByteBuffer ToByteBuffer(MessageBuffer message) {
  uint8_t* const data = message.data();
  const size_t size = message.size();
  const grpc::Slice slice(data, size, &MessageBuffer::Destroy, message.Release());
  return ByteBuffer(&slice, 1);
}

// One Attach stream. Its Session owns it, and the protocol deletes the Session after kDead.
class AttachReactor final : public grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>,
                            public Transport {
 public:
  using Reactor = grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>;

  AttachReactor(grpc::CallbackServerContext* context, DispatchLoop* loop, Session* session)
      : context_(context), loop_(loop), session_(session) {}

  // Transport
  void StartRead() override { Reactor::StartRead(&incoming_); }
  void Send(MessageBuffer message) override {
    outgoing_ = ToByteBuffer(std::move(message));
    Reactor::StartWrite(&outgoing_);
  }
  void Finish(const absl::Status& status) override { Reactor::Finish(ToGrpc(status)); }
  void Cancel() override { context_->TryCancel(); }

  // Reactor. After each Post() the session, and with it this reactor, may be gone.
  void OnReadDone(bool ok) override {
    if (!ok) {
      loop_->Post(session_, context_->IsCancelled() ? Session::kCancelled : Session::kReadEnd);
      return;
    }
    const grpc::Status parsed = grpc::SerializationTraits<v1::AgentMessage>::Deserialize(
        &incoming_, session_->inbox()->room());
    session_->inbox()->Filled(
        parsed.ok() ? absl::OkStatus()
                    : absl::InvalidArgumentError("refuse AgentMessage: the bytes do not parse"));
    loop_->Post(session_, Session::kRead);
  }
  void OnWriteDone(bool ok) override {
    outgoing_.Clear();
    loop_->Post(session_, ok ? Session::kWritten : Session::kWriteFailed);
  }
  void OnCancel() override { loop_->Post(session_, Session::kCancelled); }
  void OnDone() override { loop_->Post(session_, Session::kDead); }

 private:
  grpc::CallbackServerContext* const context_;
  DispatchLoop* const loop_;
  Session* const session_;
  ByteBuffer incoming_;
  ByteBuffer outgoing_;
};

// One Get. Its PendingGet owns it, and the protocol deletes the PendingGet after kDead.
class GetReactor final : public grpc::ServerUnaryReactor, public Outlet {
 public:
  GetReactor(ByteBuffer* response, DispatchLoop* loop, PendingGet* get)
      : response_(response), loop_(loop), get_(get) {}

  void Send(MessageBuffer message) override {
    *response_ = ToByteBuffer(std::move(message));
    grpc::ServerUnaryReactor::Finish(grpc::Status::OK);
  }
  void Finish(const absl::Status& status) override {
    grpc::ServerUnaryReactor::Finish(ToGrpc(status));
  }

  void OnCancel() override { loop_->Post(get_, PendingGet::kCancelled); }
  void OnDone() override { loop_->Post(get_, PendingGet::kDead); }

 private:
  ByteBuffer* const response_;
  DispatchLoop* const loop_;
  PendingGet* const get_;
};

// A call that was over before it began.
template <typename Reactor>
class Refusal final : public Reactor {
 public:
  explicit Refusal(const absl::Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

class AttachService final : public v1::Entropy::WithRawCallbackMethod_Attach<
                                v1::Entropy::WithRawCallbackMethod_Get<v1::Entropy::Service>> {
 public:
  AttachService(const Gate* gate, DispatchLoop* loop, Protocols* protocols)
      : gate_(gate), loop_(loop), protocols_(protocols) {}

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* Attach(
      grpc::CallbackServerContext* context) override {
    std::string address;
    absl::StatusOr<Gate::Admission> peer =
        gate_->Admit(CallerOf(*context, "Attach", &address), {config::v1::ROLE_AGENT});
    if (!peer.ok()) return new Refusal<AttachReactor::Reactor>(peer.status());
    Session* const session = protocols_->attach()
                                 ->NewSession({std::move(peer->identity), std::move(address),
                                               std::move(peer->certificate)})
                                 .release();
    auto* reactor = new AttachReactor(context, loop_, session);
    session->SetTransport(std::unique_ptr<Transport>(reactor));
    loop_->Post(session, Session::kStart);  // the protocol's from here on
    return reactor;
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const ByteBuffer* request,
                                ByteBuffer* response) override {
    std::string address;
    absl::StatusOr<Gate::Admission> peer = gate_->Admit(
        CallerOf(*context, "Get", &address), {config::v1::ROLE_READER, config::v1::ROLE_AGENT});
    if (!peer.ok()) return new Refusal<grpc::ServerUnaryReactor>(peer.status());
    v1::GetRequest asked;
    ByteBuffer bytes(*request);  // parsing consumes its input
    if (!grpc::SerializationTraits<v1::GetRequest>::Deserialize(&bytes, &asked).ok()) {
      return new Refusal<grpc::ServerUnaryReactor>(
          absl::InvalidArgumentError("get: the request does not parse"));
    }
    PendingGet* const get = protocols_->get()
                                ->NewGet({std::move(peer->identity), asked.class_(), asked.bytes(),
                                          asked.min_quality(), std::move(peer->certificate)})
                                .release();
    auto* reactor = new GetReactor(response, loop_, get);
    get->SetOutlet(std::unique_ptr<Outlet>(reactor));
    loop_->Post(get, PendingGet::kStart);  // the protocol's from here on
    return reactor;
  }

 private:
  const Gate* const gate_;
  DispatchLoop* const loop_;
  Protocols* const protocols_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAttachService(const Gate* gate, DispatchLoop* loop,
                                                 Protocols* protocols) {
  return std::make_unique<AttachService>(gate, loop, protocols);
}

}  // namespace entropyd
