#include "server/attach/pending_get.h"

#include <algorithm>
#include <utility>

#include "server/dispatch/class_table.h"

namespace entropyd {

void PendingGet::OnMail(uint32_t events, int64_t now_nanos) {
  owner_->OnGet(this, events, now_nanos);
}

void PendingGet::Hold(IdentityShares::Place place) {
  place_ = std::move(place);
  planned_.CountIn(place_.bytes());
}

void PendingGet::Wait(Leaf* leaf, int64_t now_nanos, int64_t deadline_nanos) {
  deadline_nanos_ = deadline_nanos;
  Join(leaf);
  Want(request_.bytes, now_nanos);
}

// Neither the budget nor the share of its identity stops a Get, since one that has begun must end.
// What it holds leaves less to streams. Gets hold at most kGetMaxBytes for each that may wait:
// GetProtocol::Options::max_waiting in all, IdentityShares::Limits::gets of one identity. An answer
// is not planned any more; how many may be on their way has a limit of its own (IdentityShares).
uint32_t PendingGet::Plan(uint32_t bytes) {
  const uint32_t taken = std::min(bytes, request_.bytes - granted_.bytes());
  if (taken > 0 && granted_.bytes() == filled_) owner_->OnGranted(this);
  granted_.Grow(taken);
  return taken;
}

void PendingGet::OnPool(const PoolState& state, bool discard) {
  if (state.ready() && !discard) return;
  End({.cause = GetEnd::Cause::kLostSources, .pool = state});
}

void PendingGet::OnRemoval() {
  End({.cause = GetEnd::Cause::kRefusedClass, .refusal = {.cause = ClassRefusal::Cause::kRemoved}});
}

absl::Status PendingGet::Fill(Writer* writer) {
  const PoolSlot& slot = *leaf()->slot;
  if (filled_ == 0) reply_ = Writer::NewReply(request_.bytes);
  const absl::StatusOr<uint64_t> generation = writer->FillReply(
      slot.writer_index, slot.state.discard_epoch, &reply_, filled_, granted_.bytes() - filled_);
  if (!generation.ok()) return generation.status();
  seed_generation_ = *generation;
  filled_ = granted_.bytes();
  return absl::OkStatus();
}

MessageBuffer PendingGet::TakeReply(uint64_t seed_age_ms) {
  Writer::CloseReply(&reply_, filled_, leaf()->slot->pool->quality(), seed_generation_,
                     seed_age_ms);
  done_ = true;
  place_.Answered();
  granted_.Spend();
  Leave();
  return std::move(reply_);
}

void PendingGet::End(const GetEnd& end) {
  if (done_) return;
  done_ = true;
  place_.Answered();
  granted_.GiveBack();
  reply_ = MessageBuffer();  // wiped
  Leave();
  outlet_->Finish(ToStatus(end, request_.identity, request_.name, request_.bytes));
}

}  // namespace entropyd
