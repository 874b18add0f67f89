// What an agent answers to those who ask: supervisors, Prometheus and operators.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "hostagent/agent.h"
#include "hostagent/loop/ask.h"
#include "hostagent/readiness.h"

namespace entropyd {
namespace {

// A timer runs once a second, so a heartbeat that is several seconds old is no delay but a fault.
constexpr int64_t kHangNanos = 10 * kSecondNanos;

}  // namespace

absl::Status Agent::Healthy() const {
  const int64_t silent = clock_->NowNanos() - loop_->heartbeat_nanos();
  if (silent < kHangNanos) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the event loop has not turned for ", silent / kSecondNanos, " s"));
}

absl::Status Agent::Ready() const {
  if (absl::Status healthy = Healthy(); !healthy.ok()) return healthy;
  if (handed_over()) {
    return absl::UnavailableError("another process has taken the guests over");
  }
  return Readiness(*agent_metrics_, settings_.named_classes, upstream_->was_attached());
}

absl::StatusOr<std::string> Agent::GuestMetrics() const {
  auto guests =
      Ask<std::vector<GuestSeries>>(loop_.get(), [this] { return host_->status().Series(); });
  if (!guests.ok()) return guests.status();
  return GuestMetricsText(*std::move(guests), settings_.guest_metrics);
}

absl::StatusOr<config::v1::GuestSocket> Agent::AddGuestSocket(const config::v1::GuestSocket& asked,
                                                              absl::optional<gid_t> group) {
  auto status = CheckPhase(phase(), PhaseEvent::kChangeSockets);
  if (!status.ok()) return status;
  return host_->endpoints()->Add(asked, group);
}

absl::StatusOr<config::v1::GuestSocket> Agent::RemoveGuestSocket(const std::string& name) {
  auto status = CheckPhase(phase(), PhaseEvent::kChangeSockets);
  if (!status.ok()) return status;
  return host_->RemoveGuestSocket(name);
}

void Agent::FillStatus(v1::GetStatusResponse* status) const {
  status->set_version(ENTROPYD_VERSION);
  status->set_host_id(absl::BytesToHexString(host_id_));
  status->set_uptime_seconds(ToSeconds(clock_->NowNanos() - started_at_));
  status->set_memory_locked(arena_->locked());
  host_->status().Fill(status);
  upstream_->FillStatus(status);
  status->set_http_problem(std::string(operator_ports_->problem().message()));
  status->set_reload_problem(std::string(config_on_disk_.problem().message()));
  if (succession_ != nullptr) {
    status->set_handover_problem(std::string(succession_->problem().message()));
  }
}

void Agent::FillGuests(v1::ListGuestsResponse* guests) const { host_->status().FillGuests(guests); }

std::string Agent::Summary() const {
  v1::GetStatusResponse status;
  upstream_->FillStatus(&status);
  const size_t connections = host_->connections()->size();
  const bool http = operator_ports_->problem().ok();
  return absl::StrCat(status.connected() ? "attached to " : "NOT attached to ", status.server(),
                      "; ", connections, connections == 1 ? " connection" : " connections",
                      host_->status().Modes(), http ? "" : "; HTTP not open");
}

}  // namespace entropyd
