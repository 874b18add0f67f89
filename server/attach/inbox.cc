#include "server/attach/inbox.h"

#include <algorithm>

namespace entropyd {

absl::StatusOr<const v1::AgentMessage*> Inbox::Look(bool greeted) const {
  if (!parsed_.ok()) return parsed_;
  if (message_.body_case() == v1::AgentMessage::BODY_NOT_SET) {
    return absl::InvalidArgumentError(
        "refuse AgentMessage: it has no body; send hello, open, credit or close");
  }
  if (greeted == message_.has_hello()) {
    return absl::InvalidArgumentError(greeted ? "refuse hello: it was said already"
                                              : "refuse AgentMessage: the first one must be hello");
  }
  return &message_;
}

void Inbox::Promise(uint32_t heartbeat_ms) {
  if (heartbeat_ms == 0) return;
  patience_nanos_ = std::max(kSilenceTimeoutNanos, 3 * kMillisecondNanos * heartbeat_ms);
}

bool Inbox::Silent(int64_t now_nanos) const {
  return patience_nanos_ != kNever && now_nanos - heard_nanos_ >= patience_nanos_;
}

}  // namespace entropyd
