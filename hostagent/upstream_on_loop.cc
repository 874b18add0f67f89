#include "hostagent/upstream_on_loop.h"

#include <sys/epoll.h>

namespace entropyd {

UpstreamOnLoop::UpstreamOnLoop(std::unique_ptr<Upstream> upstream, const config::v1::ClientTls& tls,
                               const Clock* clock, EventLoop* loop, Log* log, Metrics* metrics)
    : upstream_(std::move(upstream)),
      certificate_(tls, clock, log, metrics),
      watch_(loop, this),
      deadline_(loop, [this] { Process(); }) {
  upstream_->Suspend();
}

absl::Status UpstreamOnLoop::Watch() { return watch_.Begin(upstream_->wake_fd(), EPOLLIN); }

void UpstreamOnLoop::Process() {
  upstream_->Process();
  if (upstream_->connected()) was_attached_.store(true, std::memory_order_relaxed);
}

void UpstreamOnLoop::AfterTurn() {
  if (upstream_->DeadlineMoved()) deadline_.Set(upstream_->next_deadline_nanos());
}

void UpstreamOnLoop::Tick() {
  if (certificate_.Renewed()) upstream_->CertificateRenewed();
  deadline_.Set(upstream_->next_deadline_nanos());
}

void UpstreamOnLoop::FillStatus(v1::GetStatusResponse* status) const {
  upstream_->FillStatus(status);
  certificate_.FillStatus(status);
}

}  // namespace entropyd
