// An agent's answers to supervisors, Prometheus and operators. It knows the agent's parts and asks
// them; nothing here serves a guest.
//
//   AgentAnswers answers({&phase, clock, &loop, …}, settings, host_id);
//   options.http.ready = [&answers] { return answers.Ready(); };
//   OperatorPorts ports(options, &loop, &answers, metrics, log);
//   answers.SetPorts(&ports);
//
// Errors: of Healthy(), Ready() and GuestMetrics(); those of ControlServer::Subject come from the
// parts.
//
// Thread safety: Healthy(), Ready() and GuestMetrics() are safe. The rest belongs to the event
// loop's thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "hostagent/agent_config.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/control/control_server.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/operator_ports.h"
#include "hostagent/phase.h"
#include "hostagent/replacement.h"
#include "hostagent/served_host.h"
#include "hostagent/upstream_on_loop.h"

namespace entropyd {

class AgentAnswers final : public ControlServer::Subject {
 public:
  // Whom it asks. All outlive it.
  struct Parts {
    const CurrentPhase* phase;
    const Clock* clock;
    EventLoop* loop;
    const SecretArena* arena;
    const AgentMetrics* metrics;
    ServedHost* host;
    const UpstreamOnLoop* upstream;
    Replacement* replacement;
  };

  // The agent's uptime begins. `host_id` is in binary.
  AgentAnswers(const Parts& parts, const AgentSettings& settings, std::string host_id);
  // Where operators come in. REQUIRES: called before any question. `ports` outlives it.
  void SetPorts(const OperatorPorts* ports) { ports_ = ports; }

  // OK while the event loop turns. Errors: UNAVAILABLE.
  absl::Status Healthy() const;
  // OK when it has not given its guests away and can serve them (hostagent/readiness.h). Errors:
  // UNAVAILABLE.
  absl::Status Ready() const;
  // The page /metrics/guests. Asks the loop and waits. Errors: of Ask().
  absl::StatusOr<std::string> GuestMetrics() const;

  // One line for people, e.g. "attached to a:7743; 12 connections".
  std::string Summary() const;

  // --- what the control socket asks for ---
  void FillStatus(v1::GetStatusResponse* status) const override;
  void FillGuests(v1::ListGuestsResponse* guests) const override;
  absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(
      const config::v1::GuestSocket& asked, absl::optional<gid_t> group = absl::nullopt) override;
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name) override;
  config::v1::GuestState GuestSockets() const override;
  void Upgrade(Upgraded done) override { parts_.replacement->Upgrade(std::move(done)); }
  void Reload(Upgraded done) override { parts_.replacement->Reload(std::move(done)); }
  std::string ConfigPath() const override { return parts_.replacement->config_path(); }
  std::vector<std::string> ReloadChanges() const override { return parts_.replacement->changes(); }

 private:
  const Parts parts_;
  const std::string host_id_;
  const size_t named_classes_;
  const size_t guest_metrics_;
  const int64_t started_at_;
  const OperatorPorts* ports_ = nullptr;
};

}  // namespace entropyd
