#include "hostagent/operator_ports.h"

#include <utility>

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

void OperatorPorts::OpenInTheEnd(std::function<void()> opened) {
  opened_ = std::move(opened);
  TryToOpen();
}

void OperatorPorts::TryToOpen() {
  // Each for itself: whoever wants to mend the address of the one may need the other.
  absl::Status status = OpenControl();
  status.Update(OpenHttp());
  if (!status.ok()) {
    log_->Error("agent.doors_closed",
                {{"reason", status}, {"remedy", "free the address; tried again every second"}});
    return retry_.Set(loop_->now_nanos() + kRetryNanos);
  }
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
