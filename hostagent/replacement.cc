#include "hostagent/replacement.h"

#include <utility>

#include "hostagent/config_changes.h"
#include "hostagent/reload.h"

namespace entropyd {

Replacement::Replacement(config::v1::HostAgent in_use, const CurrentPhase* phase,
                         LoopNumber* reload_failed, const Clock* clock, EventLoop* loop, Log* log)
    : phase_(phase),
      reload_failed_(reload_failed),
      clock_(clock),
      log_(log),
      on_disk_(std::move(in_use)),
      check_(loop) {}

void Replacement::Begin(Options options, Succession* succession) {
  options_ = std::move(options);
  succession_ = succession;
}

void Replacement::Upgrade(Done done) { Start(Purpose::kUpgrade, std::move(done)); }
void Replacement::Reload(Done done) { Start(Purpose::kReload, std::move(done)); }

void Replacement::Start(Purpose purpose, Done done) {
  const Done answer = [purpose, done = std::move(done)](const absl::Status& status,
                                                        const std::string& version) {
    if (done) done(WithRemedy(purpose, status), version);
  };
  if (absl::Status status = Allowed(); !status.ok()) {
    Note(purpose, status, LogLevel::kWarning);
    return answer(status, "");
  }
  purpose == Purpose::kReload ? Check(answer) : succession_->Replace(purpose, answer);
}

// Before Begin() no phase allows it.
absl::Status Replacement::Allowed() const {
  if (absl::Status status = phase_->Check(PhaseEvent::kReplace); !status.ok()) return status;
  return check_.busy() ? Succession::UnderWay() : succession_->CanReplace();
}

void Replacement::Check(const Done& answer) {
  log_->Info("config.reload_begun", {{"config", options_.config_path}});
  options_.reloading();
  // The thread may outlive the clock.
  const auto check = [path = options_.config_path, control = options_.control,
                      now = clock_->WallTime()] {
    const ManualClock clock(0, now);
    return CheckReload(path, control, &clock);
  };
  check_.Start(check, [this, answer](const auto& fresh) { Checked(fresh, answer); });
}

void Replacement::Checked(const ReloadCheck::Result& fresh, const Done& answer) {
  absl::Status status = fresh.status();
  // Somebody may have come to take over meanwhile.
  if (status.ok()) status = Allowed();
  // As with a successor that has not come yet: a user who stops this process waits for no reload.
  if (!status.ok() && Ending(phase_->get())) return answer(status, "");
  if (!status.ok()) {
    Failed(Purpose::kReload, status);
    return answer(status, "");
  }
  changes_ = ConfigChanges(on_disk_.in_use(), *fresh);
  succession_->Replace(Purpose::kReload, answer);
}

void Replacement::Failed(Purpose purpose, const absl::Status& why) {
  Note(purpose, why, LogLevel::kError);
  if (purpose == Purpose::kReload) options_.reload_failed();
}

void Replacement::Note(Purpose purpose, const absl::Status& why, LogLevel level) {
  const bool upgrade = purpose == Purpose::kUpgrade;
  if (!upgrade) {
    on_disk_.ReloadFailed(options_.config_path, why);
    Show();
  }
  log_->Write(level, upgrade ? "upgrade.failed" : "config.reload_failed",
              {{"reason", why}, {"remedy", FailureRemedy(purpose, why)}});
}

void Replacement::Tick() {
  on_disk_.Look();
  Show();
}

void Replacement::Show() { reload_failed_->Set(config_problem().ok() ? 0 : 1); }

absl::Status Replacement::handover_problem() const {
  return succession_ == nullptr ? absl::OkStatus() : succession_->problem();
}

}  // namespace entropyd
