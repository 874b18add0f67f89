#include "server/server_standing.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace entropyd {
namespace {

std::string PoolsText(const std::vector<v1::Pool>& pools) {
  size_t ready = 0;
  std::string lacks;
  for (const v1::Pool& pool : pools) {
    if (pool.ready()) {
      ++ready;
    } else {
      absl::StrAppend(&lacks, "; ", pool.name(), ": ", pool.reason());
    }
  }
  return absl::StrCat(ready, " of ", pools.size(),
                      ready == 1 ? " pools is ready" : " pools are ready", lacks);
}

}  // namespace

ServerStanding::ServerStanding(Parts parts, const Clock* clock)
    : parts_(std::move(parts)), clock_(clock) {}

absl::Status ServerStanding::Alive() const {
  const int64_t silent = clock_->NowNanos() - parts_.last_step_nanos();
  if (silent < kStalledNanos) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the dispatcher has not run for ", silent / kSecondNanos, " s"));
}

absl::Status ServerStanding::Healthy() const {
  absl::Status alive = Alive();
  return alive.ok() ? parts_.knock() : alive;
}

absl::Status ServerStanding::Ready() const {
  switch (parts_.protocols()) {
    case Protocols::Standing::kServing:
      break;
    case Protocols::Standing::kDraining:
      return absl::UnavailableError("the server drains; entropyctl drain --end ends that");
    case Protocols::Standing::kStopping:
      return absl::UnavailableError("the server stops");
  }
  const absl::Time certificate_end = parts_.certificate_end();
  if (clock_->WallTime() >= certificate_end) {
    return absl::UnavailableError(absl::StrCat(
        "the server's certificate expired at ",
        absl::FormatTime(certificate_end, absl::UTCTimeZone()),
        ", so nobody new gets in; put a new one in its place: the server takes it at once"));
  }
  std::vector<std::string> reasons;
  for (const v1::Pool& pool : parts_.pools()) {
    if (pool.ready()) return absl::OkStatus();
    reasons.push_back(absl::StrCat(pool.name(), ": ", pool.reason()));
  }
  return absl::UnavailableError(absl::StrCat("no pool is ready: ", absl::StrJoin(reasons, "; ")));
}

std::string ServerStanding::Summary() const {
  if (absl::Status alive = Alive(); !alive.ok()) return std::string(alive.message());
  std::vector<std::string> parts;
  switch (parts_.protocols()) {
    case Protocols::Standing::kServing:
      break;
    case Protocols::Standing::kDraining:
      parts.emplace_back("drains, until entropyctl drain --end");
      break;
    case Protocols::Standing::kStopping:
      parts.emplace_back("stops");
      break;
  }
  parts.push_back(PoolsText(parts_.pools()));
  if (const std::string problem = parts_.reload_problem(); !problem.empty()) {
    parts.push_back(absl::StrCat("not in use, as a file is bad: ", problem));
  }
  return absl::StrJoin(parts, "; ");
}

}  // namespace entropyd
