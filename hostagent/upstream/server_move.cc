#include "hostagent/upstream/server_move.h"

#include <algorithm>
#include <utility>

namespace entropyd {

ServerMove::ServerMove(size_t servers, std::function<double()> uniform, Log* log)
    : servers_(servers), uniform_(std::move(uniform)), log_(log) {}

void ServerMove::Schedule(const Attachment& from, int64_t now) {
  if (!from.wants_replacement() || due_at_ != kNever) return;
  int64_t spread = kSpreadNanos;
  if (from.drain().has_value()) {
    // A quarter of the time that is left, so that a failed attempt can be repeated.
    const uint64_t deadline_ms = std::min<uint64_t>(from.drain()->deadline_ms(), 3'600'000);
    spread = std::min(spread, static_cast<int64_t>(deadline_ms) * kMillisecondNanos / 4);
    log_->Info("upstream.drain", {{"server", from.server()},
                                  {"reason", from.drain()->reason()},
                                  {"deadline_ms", deadline_ms}});
  }
  due_at_ = std::max(now + static_cast<int64_t>(uniform_() * static_cast<double>(spread)),
                     from.started_nanos() + kShortestStayNanos);
  attempts_ = 0;
}

}  // namespace entropyd
