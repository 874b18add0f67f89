#include "server/rpc/grpc_door.h"

#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto/handshake_watch.h"
#include "server/door/peer_address.h"

namespace entropyd {
namespace {

using Connections = grpc::experimental::ExternalConnectionAcceptor;
using Connection = Connections::NewConnectionParameters;

std::unique_ptr<Connections> Accepting(grpc::ServerBuilder* builder,
                                       std::shared_ptr<grpc::ServerCredentials> credentials) {
  return builder->experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::move(credentials));
}

std::string PeerOf(int connection) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (getpeername(connection, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  return PeerKey(address);
}

}  // namespace

// The gate, as long as it is there: gRPC may work on a handshake for longer.
class GrpcDoor::GateExaminer {
 public:
  GateExaminer(const Gate* gate, Door* door) : gate_(gate), door_(door) {}

  void Close() {
    absl::MutexLock lock(&mutex_);
    gate_ = nullptr;
  }

  tls::Examiner::Verdict Examine(Door::Id id, const tls::Examiner::Papers& papers) {
    absl::ReaderMutexLock lock(&mutex_);
    if (gate_ == nullptr) return {tls::Refusal::kRole, "", "the server stops"};
    std::shared_ptr<const PeerCertificate> certificate;
    tls::Examiner::Verdict verdict =
        gate_->Examine(papers.leaf_pem, papers.chain_pem, &certificate);
    if (verdict.refusal != tls::Refusal::kNone) return verdict;
    door_->Vouch(id, *certificate->identity(),
                 [gate = gate_, certificate] { return gate->Holds(*certificate); });
    // New rules after the verdict, and before the door could ask about this connection.
    if (gate_->Holds(*certificate)) return verdict;
    return gate_->Examine(papers.leaf_pem, papers.chain_pem, &certificate);
  }

  void Refused(bool expired) {
    absl::ReaderMutexLock lock(&mutex_);
    if (gate_ != nullptr) gate_->CountRefused(expired);
  }

 private:
  absl::Mutex mutex_;
  const Gate* gate_ ABSL_GUARDED_BY(mutex_);  // null = closed
  Door* const door_;
};

// The examiner of one connection.
class GrpcDoor::ConnectionExaminer final : public tls::Examiner {
 public:
  ConnectionExaminer(std::shared_ptr<GateExaminer> examiner, Door::Id id)
      : examiner_(std::move(examiner)), id_(id) {}
  Verdict Examine(const Papers& papers) override { return examiner_->Examine(id_, papers); }
  void Refused(bool expired) override { examiner_->Refused(expired); }

 private:
  const std::shared_ptr<GateExaminer> examiner_;
  const Door::Id id_;
};

GrpcDoor::GrpcDoor(grpc::ServerBuilder* builder,
                   std::shared_ptr<grpc::ServerCredentials> credentials, const Gate* gate,
                   Door* door)
    : examiner_(std::make_shared<GateExaminer>(gate, door)),
      acceptor_(Accepting(builder, std::move(credentials))) {
  tls::WatchHandshakes();
}

GrpcDoor::~GrpcDoor() { examiner_->Close(); }

Door::Receive GrpcDoor::receive() const {
  return [acceptor = acceptor_.get(), examiner = examiner_](UniqueFd connection, Door::Id id) {
    // gRPC begins the handshake before it returns.
    const tls::NextPeer next(PeerOf(connection.get()), connection.get(),
                             std::make_shared<ConnectionExaminer>(examiner, id));
    Connection given;
    given.fd = connection.release();
    acceptor->HandleNewConnection(&given);
  };
}

}  // namespace entropyd
