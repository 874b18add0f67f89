#include "hostagent/operator_ports.h"

#include <arpa/inet.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/process/host_port.h"
#include "base/process/listen_socket.h"
#include "base/process/state_dir.h"
#include "base/process/thread.h"
#include "hostagent/endpoint/guest_sockets_file.h"

namespace entropyd {
namespace {

// Names of this host are in a file: then the answer is there at once.
constexpr absl::Duration kNamePatience = absl::Milliseconds(100);
// In a handover, before the guests are asked for. The whole of it has some seconds.
constexpr absl::Duration kCheckPatience = absl::Seconds(1);

bool IsNumeric(const std::string& address) {
  const auto parsed = ParseHostPort(address);
  if (!parsed.ok()) return true;  // it is refused without a question
  in6_addr number;
  return inet_pton(AF_INET, parsed->host.c_str(), &number) == 1 ||
         inet_pton(AF_INET6, parsed->host.c_str(), &number) == 1;
}

// The error says which key of the configuration it is about.
absl::Status Opening(absl::string_view key, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("open `", key, "`: ", status.message()));
}

}  // namespace

struct OperatorPorts::Attempt {
  absl::StatusOr<ListenSockets> sockets = absl::UnavailableError("");
  absl::Notification known;
};

OperatorPorts::OperatorPorts(Options options, EventLoop* loop, ControlServer::Subject* subject,
                             Metrics* metrics, Log* log)
    : options_(std::move(options)),
      loop_(loop),
      subject_(subject),
      metrics_(metrics),
      log_(log),
      retry_(loop, [this] { TryToOpen(); }) {}

OperatorPorts::~OperatorPorts() { Close(); }

absl::Status OperatorPorts::OpenControl() {
  if (control_ != nullptr) return absl::OkStatus();
  auto control = ControlServer::Start(options_.control, options_.state_dir, loop_, subject_);
  if (!control.ok()) return control.status();
  auto state_dir = LockStateDir(options_.state_dir);
  if (!state_dir.ok()) return state_dir.status();
  control_ = *std::move(control);
  state_dir_ = *std::move(state_dir);
  return absl::OkStatus();
}

absl::Status OperatorPorts::OpenHttp() {
  if (http_ != nullptr || options_.http.address.empty()) return absl::OkStatus();
  auto sockets = ListenForHttp();
  if (!sockets.ok()) return sockets.status();
  auto http = HttpServer::StartOn(*std::move(sockets), options_.http, metrics_);
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<OperatorPorts::Attempt>> OperatorPorts::Begin(
    const std::string& address) const {
  auto attempt = std::make_shared<Attempt>();
  auto thread = StartThread([attempt, listen_on = options_.listen_on, address] {
    attempt->sockets = listen_on(address);
    attempt->known.Notify();
  });
  if (!thread.ok()) return thread.status();
  thread->detach();
  return attempt;
}

// Guests do not wait for a name service.
absl::StatusOr<ListenSockets> OperatorPorts::ListenForHttp() {
  const std::string& address = options_.http.address;
  if (IsNumeric(address)) return options_.listen_on(address);
  const bool begins = attempt_ == nullptr;
  if (begins) {
    auto attempt = Begin(address);
    if (!attempt.ok()) return attempt.status();
    attempt_ = *std::move(attempt);
  }
  // Only the first time: the user who starts the agent may get the error at once. Later nobody
  // waits.
  const bool first = begins && told_.ok();
  if (!attempt_->known.WaitForNotificationWithTimeout(first ? kNamePatience
                                                            : absl::ZeroDuration())) {
    return absl::UnavailableError(
        absl::StrCat("listen on ", address, ": the name service has not answered yet"));
  }
  return std::move(std::exchange(attempt_, nullptr)->sockets);
}

// A handover must not wait for a name service either. One that is silent is no reason against it.
absl::Status OperatorPorts::TryToListen(const std::string& address) const {
  if (IsNumeric(address)) return options_.listen_on(address).status();
  auto attempt = Begin(address);
  if (!attempt.ok()) return attempt.status();
  const bool known = (*attempt)->known.WaitForNotificationWithTimeout(kCheckPatience);
  return known ? (*attempt)->sockets.status() : absl::OkStatus();
}

absl::Status OperatorPorts::CheckHttp(int freed_port) const {
  const std::string& address = options_.http.address;
  if (http_ != nullptr || address.empty()) return absl::OkStatus();
  absl::Status status = TryToListen(address);
  const auto parsed = ParseHostPort(address);
  if (!status.ok() && parsed.ok() && parsed->port != 0 && parsed->port == freed_port) {
    // The port is in use until it is freed; whether this machine has the address, any port tells.
    status = TryToListen(absl::StrCat(address.substr(0, address.rfind(':')), ":0"));
  }
  return Opening("metrics", status);
}

void OperatorPorts::OpenInTheEnd(std::function<void()> opened) {
  opened_ = std::move(opened);
  TryToOpen();
}

void OperatorPorts::TryToOpen() {
  // Each for itself: an operator who wants to mend the address of one may need the other.
  const bool had_control = control_ != nullptr;
  absl::Status status = Opening("control", OpenControl());
  if (!had_control && control_ != nullptr) KeepGuestSockets();
  status.Update(Opening("metrics", OpenHttp()));
  const int64_t now = loop_->now_nanos();
  if (!status.ok()) {
    if (told_.ok()) told_at_ = now;
    if (status != told_) {
      log_->Error("agent.doors_closed", {{"reason", status},
                                         {"remedy",
                                          "end what uses the address, or write another one into "
                                          "agent.yaml and reload; it is tried "
                                          "again every second, and guests are served meanwhile"}});
    }
    told_ = status;
    return retry_.Set(now + kRetryNanos);
  }
  if (!told_.ok()) log_->Info("agent.doors_opened", {{"seconds", (now - told_at_) / kSecondNanos}});
  told_ = absl::OkStatus();
  opened_();
}

// The predecessor may have failed to write the file, or somebody may have emptied it since.
void OperatorPorts::KeepGuestSockets() {
  control_->KeepGuestSockets([log = log_, path = GuestSocketsPath(options_.state_dir)](
                                 const absl::StatusOr<bool>& written) {
    if (!written.ok()) {
      log->Error("state.not_written",
                 {{"path", path},
                  {"reason", written.status()},
                  {"remedy",
                   "mend what the reason names; the next entropyctl guests add or remove, "
                   "or the next upgrade, writes it"}});
    } else if (*written) {
      log->Warning("state.written_anew",
                   {{"path", path},
                    {"reason", "it did not hold the sockets of single guests that are open"},
                    {"remedy", "none needed"}});
    }
  });
}

void OperatorPorts::GiveUp() {
  attempt_ = nullptr;  // if it is under way, its thread closes what it opens
  retry_.Set(kNever);
  told_ = absl::OkStatus();
}

void OperatorPorts::CloseControl() {
  GiveUp();
  control_.reset();
  state_dir_.reset();
}

void OperatorPorts::Close() {
  http_.reset();
  CloseControl();
}

}  // namespace entropyd
