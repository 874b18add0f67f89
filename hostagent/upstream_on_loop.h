// Upstream, and the certificate that it shows, turned by the event loop: it handles what gRPC's
// threads bring, keeps its deadlines, and tries again when the certificate's files are new.
//
//   UpstreamOnLoop upstream(std::move(made), tls, clock, &loop, &log, &metrics);
//   upstream.Watch();
//   loop.SetAfterBatch([&] { Serve(); upstream.AfterBatch(); });
//
// Thread safety: was_attached() is safe; the rest belongs to the event loop's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "base/process/clock.h"
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"
#include "hostagent/upstream/certificate_watch.h"
#include "hostagent/upstream/upstream.h"
#include "proto/agent_admin.pb.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class UpstreamOnLoop final : public EventLoop::Handler {
 public:
  // All but `upstream` and `tls` outlive it. Suspends it: a predecessor may be attached.
  UpstreamOnLoop(std::unique_ptr<Upstream> upstream, const config::v1::ClientTls& tls,
                 const Clock* clock, EventLoop* loop, Log* log, Metrics* metrics);
  ~UpstreamOnLoop();

  absl::Status Watch();  // errors: of EventLoop::Watch

  Upstream* get() { return upstream_.get(); }
  const Upstream* get() const { return upstream_.get(); }

  // Leaves its server, and stays away; or comes back.
  void Suspend();
  void Resume();
  // What a class asks for is another.
  void Kick(size_t class_index);

  // Something happened that may change its deadline; until AfterBatch().
  bool moved() const { return moved_; }
  void AfterBatch();  // after each batch of events
  void Tick();        // about once a second

  bool was_attached() const { return was_attached_.load(std::memory_order_relaxed); }
  // What Upstream and CertificateWatch know.
  void FillStatus(v1::GetStatusResponse* status) const;

  void OnEvents(uint32_t) override { Process(); }

 private:
  void Process();

  const std::unique_ptr<Upstream> upstream_;
  CertificateWatch certificate_;
  EventLoop* const loop_;
  EventLoop::WatchId watch_ = 0;
  Timer deadline_;
  bool moved_ = true;  // its deadline may be another
  std::atomic<bool> was_attached_{false};
};

}  // namespace entropyd
