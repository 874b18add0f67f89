#include "hostagent/serving/guarded_buffer.h"

#include <utility>

namespace entropyd {

void GuardedBuffer::SetGuard(CloneGuard* guard) {
  guard_ = guard;
  if (guard_ != nullptr) resumes_ = guard_->resumes();
}

size_t GuardedBuffer::Take(absl::Span<uint8_t> out) {
  const size_t taken = buffer_->Take(out);
  if (guard_ == nullptr || taken == 0 || guard_->Mix(out.first(taken))) return taken;
  // Guests wait. What upstream sends next is the next attempt.
  buffer_->Discard();
  TellNotMixed();
  return 0;
}

void GuardedBuffer::TellNotMixed() {
  const int64_t now = clock_->NowNanos();
  if (!not_mixed_lines_.rested(now)) return;
  not_mixed_lines_.Rest(now);
  log_->Error("class.not_mixed", {{"class", buffer_->class_name()},
                                  {"reason", "the kernel gave no bytes by getrandom(2)"},
                                  {"remedy",
                                   "let the agent call it; tried again with each "
                                   "arrival from the server"}});
}

bool GuardedBuffer::DropIfResumed() {
  if (guard_ == nullptr) return false;
  if (!buffer_->full_entropy()) {
    resumes_ = guard_->known_resumes();
    return false;
  }
  const uint64_t resumes = guard_->resumes();
  if (std::exchange(resumes_, resumes) == resumes) return false;
  const size_t bytes = buffer_->level();
  buffer_->Discard();
  log_->Warning("class.resumed", {{"class", buffer_->class_name()},
                                  {"discarded_bytes", bytes},
                                  {"reason", guard_->resumed_because()},
                                  {"remedy",
                                   "none needed: another copy of this machine may have "
                                   "the same bytes, and those on their way, which are lost "
                                   "with the stream"}});
  return true;
}

}  // namespace entropyd
