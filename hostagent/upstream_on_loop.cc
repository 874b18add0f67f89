#include "hostagent/upstream_on_loop.h"

#include <sys/epoll.h>

#include <utility>

namespace entropyd {

UpstreamOnLoop::UpstreamOnLoop(std::unique_ptr<Upstream> upstream, const config::v1::ClientTls& tls,
                               const Clock* clock, EventLoop* loop, Log* log, Metrics* metrics)
    : upstream_(std::move(upstream)),
      certificate_(tls, clock, log, metrics),
      loop_(loop),
      deadline_(loop, [this] { Process(); }) {
  upstream_->Suspend();
}

UpstreamOnLoop::~UpstreamOnLoop() {
  if (watch_ != 0) loop_->Unwatch(watch_);
}

absl::Status UpstreamOnLoop::Watch() {
  auto watch = loop_->Watch(upstream_->wake_fd(), EPOLLIN, this);
  if (!watch.ok()) return watch.status();
  watch_ = *watch;
  return absl::OkStatus();
}

void UpstreamOnLoop::Suspend() {
  upstream_->Suspend();
  moved_ = true;
}

void UpstreamOnLoop::Resume() {
  upstream_->Resume();
  moved_ = true;
}

void UpstreamOnLoop::Kick(size_t class_index) {
  upstream_->Kick(class_index);
  moved_ = true;
}

void UpstreamOnLoop::Process() {
  upstream_->Process();
  moved_ = true;
  if (upstream_->connected()) was_attached_.store(true, std::memory_order_relaxed);
}

void UpstreamOnLoop::AfterBatch() {
  if (std::exchange(moved_, false)) deadline_.Set(upstream_->next_deadline_nanos());
}

void UpstreamOnLoop::Tick() {
  moved_ = true;
  if (certificate_.Renewed()) upstream_->CertificateRenewed();
}

void UpstreamOnLoop::FillStatus(v1::GetStatusResponse* status) const {
  upstream_->FillStatus(status);
  certificate_.FillStatus(status);
}

}  // namespace entropyd
