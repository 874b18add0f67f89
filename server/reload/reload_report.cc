#include "server/reload/reload_report.h"

#include <utility>

namespace entropyd {

ReloadReport::ReloadReport(const Clock* clock, Log* log, Metrics* metrics)
    : clock_(clock),
      log_(log),
      failures_(metrics->AddCounter("entropyd_reload_failures_total",
                                    "Reloads that found a bad file and did not use it.")),
      failed_(metrics->AddGauge("entropyd_reload_failed",
                                "1 when what is on disk is not in use because a file is bad.")),
      last_success_(
          metrics->AddGauge("entropyd_reload_last_success_timestamp_seconds",
                            "When configuration and certificates were last read and taken.")) {
  Succeeded();
}

void ReloadReport::Failed(absl::string_view cause, const absl::Status& why) {
  failures_->Increment();
  failed_->Set(1);
  log_->Error("server.reload_failed",
              {{"cause", cause},
               {"error", why},
               {"remedy",
                "mend the file, and the server reads it again; until then what it says is not in "
                "use"}});
  absl::MutexLock lock(&mutex_);
  problem_ = std::string(why.message());
}

void ReloadReport::Succeeded() {
  failed_->Set(0);
  last_success_->Set(static_cast<double>(absl::ToUnixSeconds(clock_->WallTime())));
  absl::MutexLock lock(&mutex_);
  problem_.clear();
}

std::string ReloadReport::problem() const {
  absl::MutexLock lock(&mutex_);
  return problem_;
}

void ReloadReport::SetNeedsRestart(std::vector<std::string> keys) {
  absl::MutexLock lock(&mutex_);
  needs_restart_ = std::move(keys);
}

std::vector<std::string> ReloadReport::needs_restart() const {
  absl::MutexLock lock(&mutex_);
  return needs_restart_;
}

}  // namespace entropyd
