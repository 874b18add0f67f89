#include "hostagent/control/control_server.h"

#include <sys/types.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/process/thread.h"
#include "base/wire/grpc_status.h"
#include "grpcpp/grpcpp.h"
#include "hostagent/endpoint/group_lookup.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/loop/ask.h"
#include "proto/agent_admin.grpc.pb.h"

namespace entropyd {
namespace {

// After this time a long call notices that its caller, or this process, is going away.
constexpr absl::Duration kCancelCheck = absl::Milliseconds(50);
// A name service that says nothing for longer is an error.
constexpr absl::Duration kNamePatience = absl::Seconds(5);
// A client in the middle of a call must not delay a shutdown for longer.
constexpr auto kShutdownGrace = std::chrono::milliseconds(100);

template <typename Response>
grpc::Status Answer(absl::StatusOr<Response> answer, Response* response) {
  if (!answer.ok()) return ToGrpc(answer.status());
  *response = *std::move(answer);
  return grpc::Status::OK;
}

class AdminService final : public v1::AgentAdmin::Service {
 public:
  AdminService(std::string state_dir, EventLoop* loop, ControlServer::Subject* subject)
      : state_dir_(std::move(state_dir)), loop_(loop), subject_(subject) {}

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    return Answer(Ask<v1::GetStatusResponse>(loop_,
                                             [subject = subject_] {
                                               v1::GetStatusResponse status;
                                               subject->FillStatus(&status);
                                               return status;
                                             }),
                  response);
  }

  grpc::Status ListGuests(grpc::ServerContext*, const v1::ListGuestsRequest*,
                          v1::ListGuestsResponse* response) override {
    return Answer(Ask<v1::ListGuestsResponse>(loop_,
                                              [subject = subject_] {
                                                v1::ListGuestsResponse guests;
                                                subject->FillGuests(&guests);
                                                return guests;
                                              }),
                  response);
  }

  grpc::Status AddGuest(grpc::ServerContext*, const v1::AddGuestRequest* request,
                        v1::AddGuestResponse* response) override {
    absl::optional<gid_t> group;
    // Here, because a name service may be asked, and the loop must not wait. Nor may the end of
    // this process, which waits for calls.
    if (!request->socket().group().empty()) {
      auto found = GroupLookup().Find(request->socket().group(), kNamePatience);
      if (!found.ok()) return ToGrpc(found.status());
      group = *found;
    }
    absl::MutexLock lock(&file_mutex_);
    auto socket = ChangeSockets([subject = subject_, asked = request->socket(), group] {
      return subject->AddGuestSocket(asked, group);
    });
    if (!socket.ok()) return ToGrpc(socket.status());
    *response->mutable_socket() = *std::move(socket);
    return grpc::Status::OK;
  }

  grpc::Status RemoveGuest(grpc::ServerContext*, const v1::RemoveGuestRequest* request,
                           v1::RemoveGuestResponse* response) override {
    absl::MutexLock lock(&file_mutex_);
    auto socket = ChangeSockets(
        [subject = subject_, name = request->name()] { return subject->RemoveGuestSocket(name); });
    if (!socket.ok()) return ToGrpc(socket.status());
    *response->mutable_socket() = *std::move(socket);
    return grpc::Status::OK;
  }

  // Whether it had to write.
  absl::StatusOr<bool> KeepGuestSockets() {
    absl::MutexLock lock(&file_mutex_);
    auto state = Ask<config::v1::GuestState>(
        loop_, [subject = subject_] { return subject->GuestSockets(); });
    if (!state.ok()) return state.status();
    const auto kept = LoadGuestSockets(state_dir_);
    if (kept.ok() && kept->SerializeAsString() == state->SerializeAsString()) return false;
    if (auto saved = SaveGuestSockets(state_dir_, *state); !saved.ok()) return saved;
    return true;
  }

  grpc::Status Upgrade(grpc::ServerContext* context, const v1::UpgradeRequest*,
                       v1::UpgradeResponse* response) override {
    std::string version;
    std::vector<std::string> changes;  // of the file: not asked for
    grpc::Status status = Replace(context, &ControlServer::Subject::Upgrade, &version, &changes);
    response->set_version_before(ENTROPYD_VERSION);
    response->set_version(version);
    return status;
  }

  grpc::Status Reload(grpc::ServerContext* context, const v1::ReloadRequest*,
                      v1::ReloadResponse* response) override {
    std::string version;
    std::vector<std::string> changes;
    response->set_config(subject_->ConfigPath());
    response->set_compared(true);
    grpc::Status status = Replace(context, &ControlServer::Subject::Reload, &version, &changes);
    for (std::string& change : changes) response->add_change(std::move(change));
    return status;
  }

 private:
  // Waits until a successor has the guests, or does not get them.
  grpc::Status Replace(grpc::ServerContext* context,
                       void (ControlServer::Subject::*start)(ControlServer::Subject::Upgraded),
                       std::string* version, std::vector<std::string>* changes) {
    struct Outcome {
      absl::Status status;
      std::string version;
      std::vector<std::string> changes;
      absl::Notification known;
    };
    auto outcome = std::make_shared<Outcome>();
    loop_->Post([outcome, start, subject = subject_] {
      (subject->*start)([outcome, subject](const absl::Status& status, const std::string& version) {
        outcome->status = status;
        outcome->version = version;
        outcome->changes = subject->ReloadChanges();
        outcome->known.Notify();
      });
    });
    while (!outcome->known.WaitForNotificationWithTimeout(kCancelCheck)) {
      if (context->IsCancelled()) return grpc::Status::CANCELLED;
    }
    *version = outcome->version;
    *changes = outcome->changes;
    return ToGrpc(outcome->status);
  }

  using Socket = config::v1::GuestSocket;

  // Lets the loop do it, and then writes the file. If it cannot write the file, the change stays,
  // and the caller learns that a restart will not know of it.
  absl::StatusOr<Socket> ChangeSockets(std::function<absl::StatusOr<Socket>()> change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mutex_) {
    struct Outcome {
      absl::StatusOr<Socket> socket = absl::UnavailableError("");
      config::v1::GuestState state;
    };
    auto asked = Ask<Outcome>(loop_, [subject = subject_, change = std::move(change)] {
      Outcome outcome;
      outcome.socket = change();
      if (outcome.socket.ok()) outcome.state = subject->GuestSockets();
      return outcome;
    });
    if (!asked.ok()) return asked.status();
    const Outcome& outcome = *asked;
    if (!outcome.socket.ok()) return outcome.socket;
    if (auto saved = SaveGuestSockets(state_dir_, outcome.state); !saved.ok()) {
      if (absl::IsDataLoss(saved)) {
        return absl::DataLossError(absl::StrCat("done, and written: ", saved.message()));
      }
      return absl::InternalError(
          absl::StrCat("done, but not kept for a restart: ", saved.message()));
    }
    return outcome.socket;
  }

  const std::string state_dir_;
  EventLoop* const loop_;
  ControlServer::Subject* const subject_;
  absl::Mutex file_mutex_;  // the file is written in the order of the changes
};

}  // namespace

struct ControlServer::Impl {
  using Acceptor = grpc::experimental::ExternalConnectionAcceptor;

  Impl(const std::string& p, const std::string& state_dir, EventLoop* l, Subject* subject)
      : path(p), loop(l), service(state_dir, l, subject) {}
  absl::Status StartGrpc();
  absl::Status Listen();

  const std::string path;
  EventLoop* const loop;
  AdminService service;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Listener> listener;
  // Why the socket file is lost and was not made again; OK = it is not.
  absl::Status problem;
  // Writes the file of the guests' sockets.
  std::thread writer;
};

absl::Status ControlServer::Impl::StartGrpc() {
  if (absl::Status possible = CheckThreadsForGrpc(); !possible.ok()) return possible;
  grpc::ServerBuilder builder;
  // A unix socket's file mode is the authentication here.
  acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  // A handful of operators at most, each asking once.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  server = builder.BuildAndStart();
  if (server != nullptr) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("listen on ", path, ": gRPC does not start"));
}

// gRPC would remove whatever stands at the path, before and after.
absl::Status ControlServer::Impl::Listen() {
  const auto accept = [this](UniqueFd socket) {
    Acceptor::NewConnectionParameters given;
    given.fd = socket.release();
    acceptor->HandleNewConnection(&given);
  };
  auto made = Listener::Create({path, 0600, ""}, loop, accept, [](const absl::Status&) {});
  if (!made.ok()) return made.status();
  listener = *std::move(made);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& path,
                                                                    const std::string& state_dir,
                                                                    EventLoop* loop,
                                                                    Subject* subject) {
  if (auto status = ClearSocketPath(path); !status.ok()) return status;
  std::unique_ptr<ControlServer> control(
      new ControlServer(std::make_unique<Impl>(path, state_dir, loop, subject)));
  if (auto status = control->impl_->StartGrpc(); !status.ok()) return status;
  if (auto status = control->impl_->Listen(); !status.ok()) return status;
  return control;
}

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlServer::~ControlServer() {
  impl_->listener.reset();
  if (impl_->server != nullptr) {
    impl_->server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
    impl_->server->Wait();
  }
  if (impl_->writer.joinable()) impl_->writer.join();
}

bool ControlServer::MakeLostAnew(Log* log) {
  if (!impl_->listener->FileIsLost()) {
    impl_->problem = absl::OkStatus();
    return false;
  }
  const absl::Status before = impl_->problem;
  impl_->problem = impl_->Listen();
  if (impl_->problem.ok() || impl_->problem != before) LogLost(impl_->path, impl_->problem, log);
  return before.ok();
}

void ControlServer::KeepGuestSockets(
    const std::function<void(const absl::StatusOr<bool>& written)>& done) {
  auto writer =
      StartThread([service = &impl_->service, done] { done(service->KeepGuestSockets()); });
  if (!writer.ok()) return done(writer.status());
  impl_->writer = *std::move(writer);
}

}  // namespace entropyd
