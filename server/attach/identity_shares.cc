#include "server/attach/identity_shares.h"

#include <algorithm>
#include <utility>

namespace entropyd {

IdentityShares::Place::Place(IdentityShares* shares, Holder* holder, uint32_t Counts::*kind)
    : shares_(shares), holder_(holder) {
  Count(kind);
}

void IdentityShares::Place::Count(uint32_t Counts::*kind) {
  kind_ = kind;
  ++(holder_->held.*kind_);
  ++(shares_->held_.*kind_);
}

void IdentityShares::Place::Discount() {
  --(holder_->held.*kind_);
  --(shares_->held_.*kind_);
}

void IdentityShares::Place::Answered() {
  if (holder_ == nullptr) return;
  Discount();
  Count(&Counts::answers);
}

IdentityShares::Place& IdentityShares::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  Release();
  shares_ = std::exchange(other.shares_, nullptr);
  holder_ = std::exchange(other.holder_, nullptr);
  kind_ = std::exchange(other.kind_, nullptr);
  return *this;
}

ByteShare* IdentityShares::Place::bytes() const { return &holder_->bytes; }

bool IdentityShares::Place::TakeMessage(int64_t now_nanos) const {
  return shares_->TakeMessage(holder_, now_nanos);
}

uint64_t IdentityShares::Place::AskLine(StreamEvent event, int64_t now_nanos) const {
  return holder_->lines[static_cast<size_t>(event)].Ask(now_nanos, shares_->limits_.streams);
}

void IdentityShares::Place::Release() {
  if (holder_ == nullptr) return;
  Discount();
  if (holder_->held.sum() == 0 && !holder_->idle) {
    holder_->idle = true;
    shares_->idle_.push_back(holder_);
  }
  holder_ = nullptr;
}

void IdentityShares::SetLimits(const Limits& limits, uint64_t message_bytes) {
  limits_ = limits;
  message_bytes_ = message_bytes;
  for (const auto& [identity, holder] : holders_) {
    holder->bytes.SetLimit(limits.in_flight, message_bytes);
  }
}

IdentityShares::Answer IdentityShares::TakeStream(absl::string_view identity, int64_t now_nanos) {
  Holder* const holder = Find(identity);
  if (!TakeMessage(holder, now_nanos)) return TooManyMessages();
  if (holder->held.streams >= limits_.streams) {
    ++totals_.denied_streams;
    return {.refusal = {ShareRefusal::Cause::kStreams, holder->held.streams}};
  }
  return {.place = Place(this, holder, &Counts::streams)};
}

IdentityShares::Answer IdentityShares::TakeGet(absl::string_view identity, int64_t now_nanos) {
  Holder* const holder = Find(identity);
  if (!TakeMessage(holder, now_nanos)) return TooManyMessages();
  if (holder->held.gets >= limits_.gets) {
    ++totals_.denied_gets;
    return {.refusal = {ShareRefusal::Cause::kGets, holder->held.gets}};
  }
  if (holder->held.answers >= limits_.gets * Limits::kAnswersPerGet) {
    ++totals_.denied_gets;
    return {.refusal = {ShareRefusal::Cause::kAnswers, holder->held.answers}};
  }
  return {.place = Place(this, holder, &Counts::gets)};
}

void IdentityShares::Sweep(int64_t now_nanos) {
  const auto gone = [this, now_nanos](Holder* holder) {
    if (holder->held.sum() > 0) {
      holder->idle = false;
      return true;
    }
    if (holder->paid_nanos > now_nanos) return false;
    for (const LineBudget& lines : holder->lines) {
      // What had no line is told when the identity comes again.
      if (!lines.rested(now_nanos) || lines.untold() > 0) return false;
    }
    holders_.erase(holder->identity);
    return true;
  };
  idle_.erase(std::remove_if(idle_.begin(), idle_.end(), gone), idle_.end());
}

IdentityShares::Holder* IdentityShares::Find(absl::string_view identity) {
  std::unique_ptr<Holder>& holder = holders_[identity];
  if (holder == nullptr) {
    holder = std::make_unique<Holder>(identity, limits_.in_flight, message_bytes_, all_);
  }
  return holder.get();
}

IdentityShares::Answer IdentityShares::TooManyMessages() {
  ++totals_.denied_messages;
  return {.refusal = {ShareRefusal::Cause::kMessages, limits_.messages_per_second}};
}

bool IdentityShares::TakeMessage(Holder* holder, int64_t now_nanos) const {
  const int64_t price = kSecondNanos / std::max<uint32_t>(1, limits_.messages_per_second);
  const int64_t paid = std::max(holder->paid_nanos, now_nanos) + price;
  if (paid > now_nanos + kSecondNanos) return false;
  holder->paid_nanos = paid;
  return true;
}

}  // namespace entropyd
