#include "hostagent/operator_ports.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/host_port.h"
#include "base/process/listen_socket.h"
#include "base/process/state_dir.h"

namespace entropyd {

OperatorPorts::OperatorPorts(Options options, EventLoop* loop, ControlServer::Subject* subject,
                             Metrics* metrics, Log* log)
    : options_(std::move(options)),
      loop_(loop),
      subject_(subject),
      metrics_(metrics),
      log_(log),
      retry_(loop, [this] { TryToOpen(); }) {}

OperatorPorts::~OperatorPorts() { Close(); }

absl::Status OperatorPorts::Open() {
  absl::Status status = OpenControl();
  if (status.ok()) status = OpenHttp();
  if (!status.ok()) CloseControl();
  return status;
}

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
  auto http = HttpServer::Start(options_.http, metrics_);
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

absl::Status OperatorPorts::CheckHttp(int freed_port) const {
  const std::string& address = options_.http.address;
  if (http_ != nullptr || address.empty()) return absl::OkStatus();
  if (auto sockets = ListenOn(address); !sockets.ok()) {
    auto parsed = ParseHostPort(address);
    if (parsed.ok() && parsed->port != 0 && parsed->port == freed_port) return absl::OkStatus();
    return absl::Status(sockets.status().code(),
                        absl::StrCat("open `metrics`: ", sockets.status().message()));
  }
  return absl::OkStatus();
}

void OperatorPorts::OpenInTheEnd(std::function<void()> opened) {
  opened_ = std::move(opened);
  TryToOpen();
}

void OperatorPorts::TryToOpen() {
  // Each for itself: whoever wants to mend the address of the one may need the other.
  absl::Status status = OpenControl();
  status.Update(OpenHttp());
  const int64_t now = loop_->now_nanos();
  if (!status.ok()) {
    if (told_.ok()) told_at_ = now;
    if (status != told_) {
      log_->Error("agent.doors_closed",
                  {{"reason", status}, {"remedy", "free the address; tried again every second"}});
    }
    told_ = status;
    return retry_.Set(now + kRetryNanos);
  }
  if (!told_.ok()) log_->Info("agent.doors_opened", {{"seconds", (now - told_at_) / kSecondNanos}});
  told_ = absl::OkStatus();
  opened_();
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
