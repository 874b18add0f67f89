// The host agent, put together. It makes its parts in order, and leads the phases of its life
// (hostagent/phase.h).
//
//   auto agent = Agent::Create(config, locations, &clock, &log, &metrics).value();
//   agent->Start({.take_over = true, …});
//   agent->Run();   // until Stop(), or until a successor has taken over
//
// Errors: of Create(), Start() and Run(). After an error of Start() the process must exit.
//
// What it answers to those who ask is in hostagent/agent_answers.h, how it is replaced in
// hostagent/replacement.h.
//
// Thread safety: Stop() is safe. The rest belongs to one thread, which is the event loop's while
// Run() runs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "hostagent/agent_answers.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/farewell.h"
#include "hostagent/handover/predecessor.h"
#include "hostagent/handover/succession.h"
#include "hostagent/handover/taker.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"
#include "hostagent/operator_ports.h"
#include "hostagent/phase.h"
#include "hostagent/replacement.h"
#include "hostagent/served_host.h"
#include "hostagent/upstream/address_book.h"
#include "hostagent/upstream_on_loop.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

class Agent final : public Succession::Subject {
 public:
  // Each member has an initializer, so that a designated initializer may leave out any of them.
  struct StartOptions {
    // Take the guests over from a running agent, if there is one.
    bool take_over = false;
    // After giving the guests away, do not end before Stop().
    bool linger = false;
    // The command that starts a successor, program first. Empty = Upgrade() and Reload() are
    // refused.
    std::vector<std::string> successor = {};
    // The program that runs now. A reload starts it again.
    std::string program = "/proc/self/exe";
    // The file that this configuration came from. A successor reads it again.
    std::string config_path = {};
    // Listening sockets that a service manager made (Endpoints::Inherit).
    std::vector<UniqueFd> inherited = {};
    // A reload has begun.
    std::function<void()> reloading = [] {};
    // The reload has failed. When one succeeds, the successor calls its `serving` instead.
    std::function<void()> reload_failed = [] {};
    // This process serves the guests now. A predecessor has not exited yet.
    std::function<void()> serving = [] {};
    // The control socket and HTTP answer.
    std::function<void()> opened = [] {};
    // This process gave the guests away, and lingers.
    std::function<void()> lingering = [] {};
  };

  // Makes everything that nobody outside can see. Errors: of CheckAgentConfig, of memory, of
  // state_dir.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const config::v1::HostAgent& config,
                                                       const config::Locations& locations,
                                                       const Clock* clock, Log* log,
                                                       Metrics* metrics);
  ~Agent();

  // Opens the sockets and dials the server in the background. It opens listeners last, so that an
  // agent that cannot start accepts no guest. Or it takes all of that over: then it opens the
  // control socket and HTTP when the predecessor has gone.
  //
  // Errors: of sockets, of TakeOver(). CANCELLED when somebody called Stop() meanwhile, which is no
  // failure.
  absl::Status Start(StartOptions options);

  // Returns after Stop(), or when a successor has taken over; with `linger` after Stop() only.
  // Errors: this process lingered, and the successor that it had started has ended unasked; the
  // guests were given away where the phase did not allow it.
  absl::Status Run();
  // Stops listening, gives guests at most a second to take the replies written to them, and makes
  // Run() return. Before Go it ends a handover: this process keeps its guests to its end, and the
  // successor is told.
  void Stop();

  Phase phase() const { return phase_.get(); }
  bool handed_over() const { return GivenAway(phase()); }
  EventLoop* loop() { return loop_.get(); }
  // The port of HTTP; 0 = no HTTP.
  int http_port() const override { return operator_ports_->http_port(); }

  AgentAnswers* answers() { return answers_.get(); }
  Replacement* replacement() { return replacement_.get(); }

 private:
  // --- what succession tells, and nobody else ---
  absl::Status LeaveServer() override;
  void ReturnToServer() override;
  void Given() override;
  void Released() override;
  void ReplaceFailed(Succession::Purpose purpose, const absl::Status& why) override;
  void SuccessorEnded(const absl::Status& why) override;

  Agent(AgentSettings settings, const Clock* clock, Log* log);
  absl::Status Open(const config::v1::HostAgent& config, Metrics* metrics);
  absl::Status OpenGuests(const config::v1::HostAgent& config, Metrics* metrics);
  absl::Status OpenUpstream(const config::v1::HostAgent& config, Metrics* metrics);
  void OpenAnswers(const config::v1::HostAgent& config, Metrics* metrics);
  OperatorPorts::Options OperatorPortsOptions(const config::v1::HostAgent& config);

  absl::Status StartFresh();
  absl::Status StartFrom(std::unique_ptr<HandoverLink> predecessor);
  absl::Status Fill(const handover::v1::Offer& offer, const std::function<absl::Status()>& offered);
  absl::Status StillWanted();
  absl::Status CheckNotStopped(absl::string_view asked) const;
  absl::Status UnlessStopped(const absl::Status& failure);
  absl::Status NotAttached() const;
  void PredecessorGone();

  void AfterTurn();
  void Tick();
  void Linger();
  void DiscardAll();
  void BeginStop();

  const AgentSettings settings_;
  const Clock* const clock_;
  Log* const log_;
  StartOptions options_;
  std::string host_id_;
  CurrentPhase phase_;
  // What Run() returns.
  absl::Status ended_;

  // In the order of construction: each may use those before it.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<AgentMetrics> agent_metrics_;
  std::unique_ptr<ServedHost> host_;
  std::unique_ptr<AddressBook> addresses_;
  std::unique_ptr<UpstreamOnLoop> upstream_;
  std::unique_ptr<Timer> tick_;
  std::unique_ptr<Farewell> farewell_;
  std::unique_ptr<Replacement> replacement_;
  std::unique_ptr<AgentAnswers> answers_;
  // From Start() on.
  std::unique_ptr<Succession> succession_;
  // Until it has gone.
  std::unique_ptr<Predecessor> predecessor_;
  std::unique_ptr<OperatorPorts> operator_ports_;
};

}  // namespace entropyd
