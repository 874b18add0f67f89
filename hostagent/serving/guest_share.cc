#include "hostagent/serving/guest_share.h"

#include <algorithm>
#include <utility>

namespace entropyd {

GuestShare::GuestShare(FairQueue* queue, absl::optional<int64_t> nano_tokens, int64_t now_nanos)
    : queue_(queue),
      id_(nano_tokens.has_value() ? queue->Add(this, *nano_tokens, now_nanos) : queue->Add(this)) {
  queue_->SetConnections(id_, 0);
}

GuestShare::Id GuestShare::Add(FairQueue::Member* connection) {
  if (free_.empty()) {
    free_.push_back(static_cast<Id>(places_.size()));
    places_.emplace_back();
  }
  const Id id = free_.back();
  free_.pop_back();
  const uint32_t user = places_[id].user + 1;
  places_[id] = Place();
  places_[id].user = user;
  places_[id].connection = connection;
  if (connections_++ == 0) stand_in_ = id;
  queue_->SetConnections(id_, connections_);
  return id;
}

void GuestShare::Remove(Id id, int64_t now_nanos) {
  Place& place = places_[id];
  if (place.in_turns) LeaveTurns(id);
  want_ -= place.want;
  place.want = 0;
  place.connection = nullptr;
  free_.push_back(id);
  --connections_;
  if (id == stand_in_) {
    counted_nanos_ += UncountedNanos(now_nanos);
    ChooseStandIn();
  }
  // The queue has to learn what is wanted now.
  queue_->Touch(id_);
  queue_->SetConnections(id_, connections_);
}

void GuestShare::ChooseStandIn() {
  const auto found = std::find_if(places_.begin(), places_.end(),
                                  [](const Place& place) { return place.connection != nullptr; });
  if (found != places_.end()) stand_in_ = static_cast<Id>(found - places_.begin());
}

int64_t GuestShare::throttled_nanos(Id id, int64_t now_nanos) const {
  return id == stand_in_ ? UncountedNanos(now_nanos) : 0;
}

GuestShare::Place* GuestShare::Find(const Ref& ref) {
  Place& place = places_[ref.id];
  return place.user == ref.user && place.connection != nullptr ? &place : nullptr;
}

void GuestShare::NoteTouched(Id id) {
  if (places_[id].touched) return;
  places_[id].touched = true;
  touched_.push_back(RefTo(id));
}

void GuestShare::Touch(Id id) {
  NoteTouched(id);
  queue_->Touch(id_);
}

bool GuestShare::ServeAtOnce(Id id, int64_t now_nanos) {
  NoteTouched(id);
  return queue_->ServeAtOnce(id_, now_nanos);
}

void GuestShare::Resume(Id id) {
  places_[id].blocked = false;
  Touch(id);
}

void GuestShare::Visit(Id id) {
  if (places_[id].visiting) return;
  places_[id].visiting = true;
  visit_.push_back(RefTo(id));
}

void GuestShare::JoinTurns(Id id) {
  Place& place = places_[id];
  place.in_turns = true;
  place.before = last_turn_;
  place.after = kNobody;
  (last_turn_ == kNobody ? first_turn_ : places_[last_turn_].after) = id;
  last_turn_ = id;
  ++turns_;
}

void GuestShare::LeaveTurns(Id id) {
  Place& place = places_[id];
  place.in_turns = false;
  (place.before == kNobody ? first_turn_ : places_[place.before].after) = place.after;
  (place.after == kNobody ? last_turn_ : places_[place.after].before) = place.before;
  --turns_;
}

void GuestShare::Measure(Id id) {
  Place& place = places_[id];
  const uint64_t want = place.blocked ? 0 : place.connection->Want();
  want_ += want - place.want;
  place.want = want;
  if (want > 0 && !place.in_turns) JoinTurns(id);
}

uint64_t GuestShare::Want() {
  for (const Ref& ref : touched_) {
    Place* const place = Find(ref);
    if (place == nullptr) continue;
    place->touched = false;
    Measure(ref.id);
    Visit(ref.id);
  }
  touched_.clear();
  return want_;
}

uint32_t GuestShare::Plan(uint32_t bytes) {
  if (turns_ == 0) return 0;
  // One that wants everything must not take all that there is: another may want 32 bytes at once.
  const uint64_t turn = std::max<uint64_t>(bytes / turns_, kMinTurnBytes);
  uint32_t given = 0;
  while (given < bytes && turns_ > 0) {
    const Id id = first_turn_;
    LeaveTurns(id);
    Place& place = places_[id];
    if (place.want == 0) continue;
    const uint32_t offered =
        static_cast<uint32_t>(std::min({place.want, turn, uint64_t{bytes - given}}));
    const uint32_t taken = place.connection->Plan(offered);
    place.planned |= taken > 0;
    Visit(id);
    given += taken;
    want_ -= taken;
    place.want -= taken;
    // Its plan is full. Deliver() gives it a turn again.
    if (taken > 0 && place.want > 0) JoinTurns(id);
  }
  return given;
}

FairQueue::After GuestShare::Deliver() {
  uint32_t ungranted = 0;
  bool again = false;
  delivering_.swap(visit_);
  for (const Ref& ref : delivering_) {
    Place* const before = Find(ref);
    if (before == nullptr) continue;
    before->visiting = false;
    if (!std::exchange(before->planned, false) && ungranted++ >= kUngrantedPerPass) {
      NoteTouched(ref.id);
      again = true;
      continue;
    }
    const FairQueue::After after = before->connection->Deliver();
    Place* const place = Find(ref);
    if (place == nullptr) continue;
    place->blocked = after == FairQueue::After::kBlocked;
    Measure(ref.id);
    if (after == FairQueue::After::kAgain) again_.push_back(ref);
  }
  delivering_.clear();
  // Behind those who had no turn.
  for (const Ref& ref : again_) {
    if (Find(ref) != nullptr) NoteTouched(ref.id);
  }
  again |= !again_.empty();
  again_.clear();
  return again ? FairQueue::After::kAgain : FairQueue::After::kDone;
}

}  // namespace entropyd
