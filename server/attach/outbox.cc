#include "server/attach/outbox.h"

#include <algorithm>
#include <utility>

namespace entropyd {

Outbox::Outbox(uint32_t max_payload, PayloadBudgets* budgets, Owner* owner)
    : max_payload_(max_payload),
      all_(&budgets->all),
      owner_(owner),
      planned_(&budgets->planned),
      in_flight_(&budgets->in_flight),
      written_(&in_flight_) {}

void Outbox::CountIn(const IdentityShares::Place* place) {
  place_ = place;
  planned_.CountIn(place->bytes());
  in_flight_.CountIn(place->bytes());
}

bool Outbox::Full() {
  ByteBudget* full = nullptr;
  if (place_ != nullptr && place_->bytes()->full()) {
    full = place_->bytes();
  } else if (all_->full()) {
    full = all_;
  }
  if (full == nullptr) return false;
  if (outstanding_) return true;  // the end of the write is room
  if (full != all_ && !waiting()) place_->CountByteWait();
  full->Await(this);
  return true;
}

uint32_t Outbox::Plan(ByteBudget::Reservation* plan, uint32_t bytes, uint32_t max_ahead) {
  if (closed_ || Full()) return 0;
  const uint32_t most = outstanding_ ? std::min(max_ahead, max_payload_) : max_payload_;
  const uint64_t room = most - std::min<uint64_t>(most, planned());
  const uint32_t taken = static_cast<uint32_t>(std::min<uint64_t>(bytes, room));
  if (taken == 0) return 0;
  plan->Grow(taken);
  Announce();
  return taken;
}

void Outbox::Tell(News news) {
  news_ |= news;
  Announce();
}

void Outbox::Announce() {
  if (announced_ || outstanding_ || closed_ || (planned() == 0 && news_ == 0)) return;
  announced_ = true;
  owner_->OnSomethingToSend();
}

bool Outbox::StartMessage() {
  announced_ = false;
  if (outstanding_ || closed_ || (planned() == 0 && news_ == 0)) return false;
  telling_ = std::exchange(news_, 0);
  return true;
}

bool Outbox::Seal(int64_t now_nanos) {
  if (std::exchange(telling_, 0) == 0 && written_.bytes() == 0) {
    owner_->OnRoom(now_nanos);
    return false;
  }
  ++seq_;
  outstanding_ = true;
  sent_nanos_ = now_nanos;
  return true;
}

void Outbox::WriteEnded(int64_t now_nanos) {
  outstanding_ = false;
  written_.Spend();
  if (closed_) return;
  owner_->OnRoom(now_nanos);
  Announce();
}

bool Outbox::HeartbeatDue(int64_t now_nanos) const {
  return !closed_ && !outstanding_ && !announced_ &&
         now_nanos - sent_nanos_ >= kHeartbeatAfterNanos;
}

bool Outbox::Stuck(int64_t now_nanos) const {
  return outstanding_ &&
         (now_nanos - sent_nanos_ >= kWriteTimeoutNanos || now_nanos >= end_deadline_nanos_);
}

void Outbox::Close(int64_t deadline_nanos) {
  closed_ = true;
  end_deadline_nanos_ = deadline_nanos;
  StopWaiting();
}

bool Outbox::TakeFinish() {
  if (!closed_ || finished_ || outstanding_) return false;
  finished_ = true;
  return true;
}

}  // namespace entropyd
