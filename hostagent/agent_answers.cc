#include "hostagent/agent_answers.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "hostagent/loop/ask.h"
#include "hostagent/readiness.h"

namespace entropyd {
namespace {

// A timer runs once a second, so a heartbeat that is several seconds old is no delay but a fault.
constexpr int64_t kHangNanos = 10 * kSecondNanos;

}  // namespace

AgentAnswers::AgentAnswers(const Parts& parts, const AgentSettings& settings, std::string host_id)
    : parts_(parts),
      host_id_(std::move(host_id)),
      named_classes_(settings.named_classes),
      guest_metrics_(settings.guest_metrics),
      started_at_(parts.clock->NowNanos()) {}

absl::Status AgentAnswers::Healthy() const {
  const int64_t silent = parts_.clock->NowNanos() - parts_.loop->heartbeat_nanos();
  if (silent < kHangNanos) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the event loop has not turned for ", silent / kSecondNanos, " s"));
}

absl::Status AgentAnswers::Ready() const {
  if (absl::Status healthy = Healthy(); !healthy.ok()) return healthy;
  if (GivenAway(parts_.phase->get())) {
    return absl::UnavailableError("another process has taken the guests over");
  }
  return Readiness(*parts_.metrics, named_classes_, parts_.upstream->was_attached());
}

absl::StatusOr<std::string> AgentAnswers::GuestMetrics() const {
  auto guests =
      Ask<std::vector<GuestSeries>>(parts_.loop, [this] { return parts_.host->status().Series(); });
  if (!guests.ok()) return guests.status();
  return GuestMetricsText(*std::move(guests), guest_metrics_);
}

absl::StatusOr<config::v1::GuestSocket> AgentAnswers::AddGuestSocket(
    const config::v1::GuestSocket& asked, absl::optional<gid_t> group) {
  auto status = parts_.phase->Check(PhaseEvent::kChangeSockets);
  if (!status.ok()) return status;
  return parts_.host->endpoints()->Add(asked, group);
}

absl::StatusOr<config::v1::GuestSocket> AgentAnswers::RemoveGuestSocket(const std::string& name) {
  auto status = parts_.phase->Check(PhaseEvent::kChangeSockets);
  if (!status.ok()) return status;
  return parts_.host->RemoveGuestSocket(name);
}

config::v1::GuestState AgentAnswers::GuestSockets() const {
  return parts_.host->endpoints()->guest_sockets();
}

void AgentAnswers::FillStatus(v1::GetStatusResponse* status) const {
  status->set_version(ENTROPYD_VERSION);
  status->set_host_id(absl::BytesToHexString(host_id_));
  status->set_uptime_seconds(ToSeconds(parts_.clock->NowNanos() - started_at_));
  status->set_memory_locked(parts_.arena->locked());
  parts_.host->status().Fill(status);
  parts_.upstream->FillStatus(status);
  status->set_http_problem(std::string(ports_->problem().message()));
  status->set_reload_problem(std::string(parts_.replacement->config_problem().message()));
  status->set_handover_problem(std::string(parts_.replacement->handover_problem().message()));
}

void AgentAnswers::FillGuests(v1::ListGuestsResponse* guests) const {
  parts_.host->status().FillGuests(guests);
}

std::string AgentAnswers::Summary() const {
  v1::GetStatusResponse status;
  parts_.upstream->FillStatus(&status);
  const size_t connections = parts_.host->connections()->size();
  const bool http = ports_->problem().ok();
  return absl::StrCat(status.connected() ? "attached to " : "NOT attached to ", status.server(),
                      "; ", connections, connections == 1 ? " connection" : " connections",
                      parts_.host->status().Modes(), http ? "" : "; HTTP not open");
}

}  // namespace entropyd
