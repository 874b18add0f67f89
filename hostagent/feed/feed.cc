#include "hostagent/feed/feed.h"

#include <algorithm>
#include <utility>

#include "base/crypto/secret_bytes.h"

namespace entropyd {

Feed::Feed(std::string name, ConnectionHost* host, ServedClass* served_class)
    : name_(std::move(name)), host_(host), class_(served_class) {}

Feed::~Feed() {
  if (started_) class_->queue()->Remove(member_, host_->loop->now_nanos());
}

void Feed::Join() {
  const int64_t now = host_->loop->now_nanos();
  member_ = carried_tokens_.has_value() ? class_->queue()->Add(this, *carried_tokens_, now)
                                        : class_->queue()->Add(this);
  started_ = true;
  started_at_ = now;
  Touch();
}

void Feed::Touch() { class_->queue()->Touch(member_); }

uint32_t Feed::Plan(uint32_t bytes) {
  const uint32_t taken = static_cast<uint32_t>(std::min<uint64_t>(bytes, Room() - planned_));
  planned_ += taken;
  return taken;
}

FairQueue::After Feed::Deliver() {
  const uint32_t planned = std::exchange(planned_, 0);
  if (planned == 0) return FairQueue::After::kDone;
  const absl::Span<uint8_t> staged = host_->staging.subspan(kHeadroom, planned);
  const size_t taken = class_->Take(staged);
  class_->counters()->delivered_bytes.Add(taken);
  delivered_ += taken;
  if (taken > 0) Put(staged.first(taken));
  Wipe(staged);
  return FairQueue::After::kDone;
}

GuestTotals Feed::totals() const {
  GuestTotals totals;
  totals.delivered = delivered_;
  if (started_) {
    totals.throttled_nanos = class_->queue()->throttled_nanos(member_, host_->loop->now_nanos());
  }
  return totals;
}

absl::optional<int64_t> Feed::nano_tokens() const {
  if (!started_ || !class_->queue()->has_ceil()) return absl::nullopt;
  return class_->queue()->nano_tokens(member_, host_->loop->now_nanos());
}

}  // namespace entropyd
