#include "hostagent/upstream/server_choice.h"

#include <algorithm>
#include <utility>

namespace entropyd {

ServerChoice::ServerChoice(std::vector<std::string> order, std::function<double()> uniform)
    : backoff_(std::move(uniform)) {
  for (std::string& name : order) servers_.push_back({std::move(name)});
}

void ServerChoice::Forgive() {
  backoff_.Reset();
  next_attempt_at_ = 0;
  for (Server& server : servers_) server.not_before = 0;
}

int64_t ServerChoice::ready_at() const {
  int64_t first = INT64_MAX;
  for (const Server& server : servers_) first = std::min(first, server.not_before);
  return std::max(next_attempt_at_, first);
}

const std::string& ServerChoice::Pick(int64_t now, absl::string_view avoid) const {
  const Server* avoided = nullptr;
  const Server* penalised = nullptr;
  for (size_t i = 0; i < servers_.size(); ++i) {
    const Server& server = servers_[(turn_ + i) % servers_.size()];
    if (server.not_before > now) {
      if (penalised == nullptr || server.not_before < penalised->not_before) penalised = &server;
    } else if (server.name == avoid) {
      avoided = &server;
    } else {
      return server.name;
    }
  }
  return avoided != nullptr ? avoided->name : penalised->name;
}

void ServerChoice::Ended(absl::string_view server, Ending ending, int64_t lived_nanos, bool penalty,
                         int64_t now) {
  if (ending != Ending::kNotAttached && lived_nanos >= kSuccessNanos) backoff_.Reset();
  next_attempt_at_ = now + backoff_.NextNanos();
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].name != server) continue;
    if (penalty) servers_[i].not_before = now + kPenaltyNanos;
    turn_ = ending == Ending::kAttached ? 0 : (i + 1) % servers_.size();
  }
}

}  // namespace entropyd
