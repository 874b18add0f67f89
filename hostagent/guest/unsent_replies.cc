#include "hostagent/guest/unsent_replies.h"

#include <algorithm>
#include <utility>

namespace entropyd {

bool UnsentReplies::Keep(absl::Span<const uint8_t> rest, const std::vector<StagedReply>& staged,
                         size_t sent, SecretArena* arena) {
  auto kept = arena->Allocate(rest.size());
  if (!kept.ok()) return false;
  bytes_ = *std::move(kept);
  std::copy(rest.begin(), rest.end(), bytes_.data());
  auto first = staged.begin();
  while (sent >= first->bytes) sent -= (first++)->bytes;
  replies_.assign(first, staged.end());
  sent_of_first_ = sent;
  return true;
}

void UnsentReplies::Took(size_t bytes) {
  at_ += bytes;
  if (at_ == bytes_.size()) Drop();
}

void UnsentReplies::Drop() {
  bytes_ = SecretBytes();
  at_ = 0;
  std::vector<StagedReply>().swap(replies_);
  sent_of_first_ = 0;
}

Unsent UnsentReplies::owed() const {
  Unsent unsent;
  unsent.bytes = left();
  unsent.replies = replies_;
  size_t sent = sent_of_first_ + at_;
  while (!unsent.replies.empty() && sent >= unsent.replies.front().bytes) {
    sent -= unsent.replies.front().bytes;
    unsent.replies.remove_prefix(1);
  }
  unsent.sent_of_first = static_cast<uint32_t>(sent);
  return unsent;
}

}  // namespace entropyd
