#include "hostagent/operator_ports.h"

#include <utility>

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
  auto control = ControlServer::Start(options_.control, options_.state_dir, loop_, subject_);
  if (!control.ok()) return control.status();
  if (!options_.http.address.empty()) {
    auto http = HttpServer::Start(options_.http, metrics_);
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
  }
  control_ = *std::move(control);
  return absl::OkStatus();
}

void OperatorPorts::OpenInTheEnd(std::function<void()> opened) {
  opened_ = std::move(opened);
  TryToOpen();
}

void OperatorPorts::TryToOpen() {
  if (auto status = Open(); !status.ok()) {
    log_->Error("agent.doors_closed",
                {{"reason", status}, {"remedy", "free the address; tried again every second"}});
    return retry_.Set(loop_->now_nanos() + kRetryNanos);
  }
  opened_();
}

void OperatorPorts::CloseControl() {
  GiveUp();
  control_.reset();
}

void OperatorPorts::Close() {
  http_.reset();
  CloseControl();
}

}  // namespace entropyd
