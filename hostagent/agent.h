// The host agent, put together: event loop, guests, upstream, control socket, HTTP.
//
//   auto agent = Agent::Create(config, locations, &clock, &log, &metrics).value();
//   agent->Start({.take_over = true, …});
//   agent->Run();   // until Stop(), or until a successor has taken over
//
// Thread safety: Stop(), Healthy(), Ready() and GuestMetrics() are safe; the rest belongs to one
// thread, which is the event loop's while Run() runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/process/http_server.h"
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/control/control_server.h"
#include "hostagent/guest_service.h"
#include "hostagent/handover/giver.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/successor.h"
#include "hostagent/handover/taker.h"
#include "hostagent/identity/identity_thread.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/serving/survival.h"
#include "hostagent/upstream/certificate_watch.h"
#include "hostagent/upstream/upstream.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Agent final : public ControlServer::Subject, public HandoverGiver::Subject {
 public:
  // Checks a configuration as Create() would, TLS files included, and opens nothing.
  // Errors: INVALID_ARGUMENT and those of tls::LoadMaterial.
  static absl::Status Check(const config::v1::HostAgent& config, const config::Locations& locations,
                            const Clock* clock);

  struct StartOptions {
    // From a running agent, if there is one.
    bool take_over = false;
    // After giving the guests away: do not end before Stop().
    bool linger = false;
    // How to start a successor, program first; empty = Upgrade() and Reload() are refused.
    std::vector<std::string> successor;
    // The file that this configuration came from; a successor reads it anew.
    std::string config_path;
    // Listening sockets that a process manager made (GuestService::Inherit).
    std::vector<UniqueFd> inherited;
    // A reload has begun; it has failed. One that succeeds is told by the successor's `serving`.
    std::function<void()> reloading = [] {};
    std::function<void()> reload_failed = [] {};
    // Guests are served by this process now; a predecessor has not exited yet.
    std::function<void()> serving = [] {};
    // The control socket and HTTP answer.
    std::function<void()> opened = [] {};
    // The guests were given away, and this process lingers.
    std::function<void()> lingering = [] {};
  };

  // Makes everything that nobody else sees. Errors: as Check(); of memory and state_dir.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const config::v1::HostAgent& config,
                                                       const config::Locations& locations,
                                                       const Clock* clock, Log* log,
                                                       Metrics* metrics);
  ~Agent();

  // Opens sockets, listeners last, so that no guest is accepted by an agent that cannot start;
  // dials the server in the background. Or takes all of that over: then the control socket and HTTP
  // open when the predecessor has gone. Errors: of sockets; of TakeOver(). After an error, exit.
  absl::Status Start(StartOptions options);

  // Returns after Stop(), or when a successor has taken over; with `linger` after Stop() only.
  // Error: this process lingered, and the successor that it had started itself has ended unasked.
  absl::Status Run();
  bool handed_over() const { return giver_ != nullptr && giver_->given(); }
  // Stops listening, lets guests take the replies written to them, for at most a second, and makes
  // Run() return.
  void Stop();

  EventLoop* loop() { return loop_.get(); }
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }  // 0 = no HTTP

  absl::Status Healthy() const;  // the event loop turns
  // Was attached once, or has bytes to give, and has not given its guests away.
  absl::Status Ready() const;
  absl::StatusOr<std::string> GuestMetrics() const;  // /metrics/guests; asks the loop and waits

  void FillStatus(v1::GetStatusResponse* status) const override;
  void FillGuests(v1::ListGuestsResponse* guests) const override;
  absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(
      const config::v1::GuestSocket& asked) override {
    return guests_->AddGuestSocket(asked);
  }
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name) override {
    return guests_->RemoveGuestSocket(name);
  }
  config::v1::GuestState GuestSockets() const override { return guests_->GuestSockets(); }
  // Starts the successor, which takes over; the loop's thread only.
  void Upgrade(Upgraded done) override;
  // Checks the configuration on disk, then has a successor of the same program take over with it.
  // Whatever is wrong leaves this process serving as it does.
  void Reload(Upgraded done) override;
  std::string ConfigPath() const override { return options_.config_path; }

  // One line for people, e.g. "attached to a:7743; 12 guests".
  std::string Summary() const;

  void LeaveServer() override;
  void ReturnToServer(const absl::Status& why) override;
  void Given(const std::string& version) override;
  void Released() override;

 private:
  // Calls Process() when gRPC's threads say that there is something to process.
  class UpstreamWake final : public EventLoop::Handler {
   public:
    explicit UpstreamWake(Agent* agent) : agent_(agent) {}
    void OnEvents(uint32_t) override { agent_->ProcessUpstream(); }

   private:
    Agent* const agent_;
  };

  Agent(const config::v1::HostAgent& config, AgentSettings settings, const Clock* clock, Log* log,
        Metrics* metrics);
  absl::Status CheckReload() const;
  enum class Purpose { kUpgrade, kReload };
  void StartSuccessor(Purpose purpose, Upgraded done);
  absl::Status Open(const config::v1::HostAgent& config);
  absl::Status StartIdentities(const std::string& libvirt_dir);
  absl::Status StartFresh();
  absl::Status Fill(const handover::v1::Offer& offer, const std::function<absl::Status()>& offered);
  void Adopt(Taken taken);
  void AwaitPredecessorsEnd(int64_t until_nanos);
  void OpenDoorsInTheEnd();
  absl::Status OpenDoors();
  void SuccessorEnded(Purpose purpose, const absl::Status& why);
  void ReplacementFailed(Purpose purpose, const absl::Status& why, const Upgraded& done);
  void ProcessUpstream();
  void TellRefusals();
  void AfterBatch();
  void SetTimer(int64_t deadline_nanos, EventLoop::TimerId* timer, std::function<void()> run);
  void Tick();
  void Linger();
  void DiscardAll();
  void BeginStop();
  void FinishStop(int64_t deadline_nanos);

  const AgentSettings settings_;
  const Clock* const clock_;
  Log* const log_;
  const int64_t started_at_;
  Metrics* const metrics_;
  const std::string control_path_;
  const std::string state_dir_;
  const std::string http_address_;  // empty = no HTTP
  StartOptions options_;
  std::string host_id_;
  std::atomic<bool> was_attached_{false};

  // In the order of construction: each may use those before it.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<AgentMetrics> agent_metrics_;
  std::unique_ptr<GuestService> guests_;
  std::unique_ptr<IdentityThread> identities_;  // none when no listener asks for it
  UpstreamWake upstream_wake_;
  std::unique_ptr<Upstream> upstream_;
  EventLoop::TimerId upstream_timer_ = EventLoop::kNoTimer;
  std::unique_ptr<Survival> survival_;
  std::unique_ptr<CertificateWatch> certificate_;
  EventLoop::TimerId survival_timer_ = EventLoop::kNoTimer;
  bool upstream_moved_ = true;  // its deadline, or what it is to a class, may be another
  bool stopping_ = false;
  std::atomic<bool> lingering_{false};
  absl::Status ended_;  // see Run()
  std::unique_ptr<HandoverGiver> giver_;
  std::unique_ptr<HandoverLink> predecessor_;  // its end is the predecessor's exit
  std::unique_ptr<Successor> successor_;       // while it has not taken over, or this one lingers
  EventLoop::TimerId successor_timer_ = EventLoop::kNoTimer;
  absl::Status withdrawn_;       // why the last handover failed
  absl::Status reload_problem_;  // of the last reload
  Upgraded upgraded_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace entropyd
