#include "server/dispatch/byte_budget.h"

#include <algorithm>
#include <utility>

namespace entropyd {

void ByteBudget::Waiter::StopWaiting() {
  if (budget_ != nullptr) budget_->Unlink(this);
}

ByteBudget::Reservation::Reservation(Reservation&& other) noexcept
    : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}

ByteBudget::Reservation& ByteBudget::Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  GiveBack();
  budget_ = other.budget_;
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void ByteBudget::Reservation::Grow(uint32_t bytes) {
  bytes_ += bytes;
  budget_->Add(bytes);
}

// The other one grows first, so the sum above both never looks smaller than it is.
uint32_t ByteBudget::Reservation::MoveTo(Reservation* other) {
  other->Grow(bytes_);
  return Spend();
}

uint32_t ByteBudget::Reservation::Spend() {
  if (bytes_ > 0) budget_->Remove(bytes_);
  return std::exchange(bytes_, 0);
}

uint32_t ByteBudget::Reservation::GiveBack() {
  if (bytes_ > 0) budget_->CountGivenBack(bytes_);
  return Spend();
}

ByteBudget::~ByteBudget() {
  while (first_ != nullptr) Unlink(first_);
}

void ByteBudget::Await(Waiter* waiter) {
  if (waiter->waiting()) return;
  waiter->budget_ = this;
  waiter->previous_ = last_;
  (last_ == nullptr ? first_ : last_->next_) = waiter;
  last_ = waiter;
}

void ByteBudget::Wake(int64_t now_nanos) {
  uint64_t room = full() ? 0 : limit_ - used_;
  while (room > 0 && first_ != nullptr) {
    Waiter* const waiter = first_;
    Unlink(waiter);
    waiter->OnRoom(now_nanos);
    room -= std::min(room, wake_bytes_);
  }
}

void ByteBudget::Add(uint32_t bytes) {
  for (ByteBudget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->used_ += bytes;
    if (budget->share_ != nullptr) budget->share_->used_ += bytes;
  }
}

void ByteBudget::Remove(uint32_t bytes) {
  for (ByteBudget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->used_ -= bytes;
    if (budget->share_ != nullptr) budget->share_->Shrink(bytes);
  }
}

void ByteBudget::CountGivenBack(uint32_t bytes) {
  for (ByteBudget* budget = this; budget != nullptr; budget = budget->parent_) {
    budget->given_back_ += bytes;
  }
}

void ByteBudget::Unlink(Waiter* waiter) {
  (waiter->previous_ == nullptr ? first_ : waiter->previous_->next_) = waiter->next_;
  (waiter->next_ == nullptr ? last_ : waiter->next_->previous_) = waiter->previous_;
  waiter->budget_ = nullptr;
  waiter->previous_ = waiter->next_ = nullptr;
}

void ByteShare::SetLimit(uint64_t limit, uint64_t wake_bytes) {
  ByteBudget::SetLimit(limit, wake_bytes);
  if (room_is_wanted()) whole_->Await(this);
}

void ByteShare::Shrink(uint32_t bytes) {
  used_ -= bytes;
  if (room_is_wanted()) whole_->Await(this);
}

void ByteShare::OnRoom(int64_t now_nanos) {
  if (!room_is_wanted()) return;
  ByteBudget::Waiter* const waiter = first_;
  Unlink(waiter);
  waiter->OnRoom(now_nanos);
  if (room_is_wanted()) whole_->Await(this);
}

}  // namespace entropyd
