// Upstream and the certificate that it shows, driven by the event loop. It handles what gRPC's
// threads bring, keeps upstream's deadlines, and tries again when the certificate's files are new.
//
//   UpstreamOnLoop upstream(std::move(made), tls, clock, &loop, &log, &metrics);
//   upstream.Watch();
//   loop.SetAfterTurn([&] { Serve(); upstream.AfterTurn(); });
//
// Errors: of EventLoop::Watch, from Watch().
//
// Thread safety: was_attached() is safe; the rest belongs to the event loop's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/fd_watch.h"
#include "hostagent/loop/timer.h"
#include "hostagent/upstream/certificate_watch.h"
#include "hostagent/upstream/upstream.h"
#include "proto/agent_admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class UpstreamOnLoop final : public EventLoop::Handler {
 public:
  // All but `upstream` and `tls` outlive it. Suspends upstream, because a predecessor may be
  // attached.
  UpstreamOnLoop(std::unique_ptr<Upstream> upstream, const config::v1::ClientTls& tls,
                 const Clock* clock, EventLoop* loop, Log* log, Metrics* metrics);

  // Errors: of FdWatch::Begin().
  absl::Status Watch();

  Upstream* get() { return upstream_.get(); }

  // Call it after each turn's events.
  void AfterTurn();
  // Call it about once a second.
  void Tick();

  // OK, or why nobody can attach with the certificate that is on disk, with the remedy.
  absl::Status certificate_problem() const { return certificate_.problem(); }
  // Upstream was attached at least once.
  bool was_attached() const { return was_attached_.load(std::memory_order_relaxed); }
  // Fills in what Upstream and CertificateWatch know.
  void FillStatus(v1::GetStatusResponse* status) const;

  void OnEvents(uint32_t) override { Process(); }

 private:
  void Process();

  const std::unique_ptr<Upstream> upstream_;
  CertificateWatch certificate_;
  FdWatch watch_;
  Timer deadline_;
  std::atomic<bool> was_attached_{false};
};

}  // namespace entropyd
