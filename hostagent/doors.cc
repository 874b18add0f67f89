#include "hostagent/doors.h"

#include <utility>

#include "base/process/state_dir.h"

namespace entropyd {

Doors::Doors(Options options, EventLoop* loop, ControlServer::Subject* subject, Metrics* metrics,
             Log* log)
    : options_(std::move(options)),
      loop_(loop),
      subject_(subject),
      metrics_(metrics),
      log_(log),
      retry_(loop, [this] { TryToOpen(); }) {}

Doors::~Doors() { Close(); }

absl::Status Doors::Open() {
  auto control = ControlServer::Start(options_.control, options_.state_dir, loop_, subject_);
  if (!control.ok()) return control.status();
  auto state_dir = LockStateDir(options_.state_dir);
  if (!state_dir.ok()) return state_dir.status();
  if (!options_.http.address.empty()) {
    auto http = HttpServer::Start(options_.http, metrics_);
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
  }
  control_ = *std::move(control);
  state_dir_ = *std::move(state_dir);
  return absl::OkStatus();
}

void Doors::OpenInTheEnd(std::function<void()> opened) {
  opened_ = std::move(opened);
  TryToOpen();
}

void Doors::TryToOpen() {
  if (auto status = Open(); !status.ok()) {
    log_->Error("agent.doors_closed",
                {{"reason", status}, {"remedy", "free the address; tried again every second"}});
    return retry_.Set(loop_->now_nanos() + kRetryNanos);
  }
  opened_();
}

void Doors::CloseControl() {
  GiveUp();
  control_.reset();
  state_dir_.reset();
}

void Doors::Close() {
  http_.reset();
  CloseControl();
}

}  // namespace entropyd
