// The host agent, put together: event loop, guests, upstream, control socket, HTTP.
//
//   auto agent = Agent::Create(config, locations, &clock, &log, &metrics).value();
//   agent->Run();   // until Stop()
//
// Thread safety: Stop(), Healthy() and Ready() are safe; the rest belongs to one thread, which is the
// event loop's while Run() runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/http_server.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret_bytes.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/control_server.h"
#include "hostagent/event_loop.h"
#include "hostagent/guest_service.h"
#include "hostagent/upstream.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Agent final : public ControlServer::Subject {
 public:
  // Checks a configuration as Create() would, TLS files included, and opens nothing.
  // Errors: INVALID_ARGUMENT and those of tls::LoadMaterial.
  static absl::Status Check(const config::v1::HostAgent& config, const config::Locations& locations,
                            const Clock* clock);

  // Opens everything: listeners last, so that no guest is accepted by an agent that cannot start.
  // Dials the server in the background. Errors: as Check(); of sockets, memory and state_dir.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const config::v1::HostAgent& config,
                                                       const config::Locations& locations,
                                                       const Clock* clock, Log* log,
                                                       Metrics* metrics);
  ~Agent();

  void Run();
  // Stops listening, lets guests take the replies written to them, for at most a second, and makes
  // Run() return.
  void Stop();

  EventLoop* loop() { return loop_.get(); }
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }  // 0 = no HTTP

  absl::Status Healthy() const;  // the event loop turns
  absl::Status Ready() const;    // was attached once, or has bytes to give

  void FillStatus(v1::GetStatusResponse* status) const override;
  void FillGuests(v1::ListGuestsResponse* guests) const override;

 private:
  // Calls Process() when gRPC's threads say that there is something to process.
  class UpstreamWake final : public EventLoop::Handler {
   public:
    explicit UpstreamWake(Agent* agent) : agent_(agent) {}
    void OnEvents(uint32_t) override { agent_->ProcessUpstream(); }

   private:
    Agent* const agent_;
  };

  Agent(AgentSettings settings, const Clock* clock, Log* log);
  absl::Status Open(const config::v1::HostAgent& config, Metrics* metrics);
  void ProcessUpstream();
  void AfterBatch();
  void Tick();
  void BeginStop();
  void FinishStop(int64_t deadline_nanos);

  const AgentSettings settings_;
  const Clock* const clock_;
  Log* const log_;
  const int64_t started_at_;
  std::string host_id_;
  std::atomic<bool> was_attached_{false};

  // In the order of construction: each may use those before it.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<AgentMetrics> agent_metrics_;
  std::unique_ptr<GuestService> guests_;
  UpstreamWake upstream_wake_;
  std::unique_ptr<Upstream> upstream_;
  EventLoop::TimerId upstream_timer_ = EventLoop::kNoTimer;
  bool stopping_ = false;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace entropyd
