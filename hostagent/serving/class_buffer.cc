#include "hostagent/serving/class_buffer.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "hostagent/serving/secret_ring.h"

namespace entropyd {
namespace {

// Two crossings within this time double the target: what it held then lasts less than 2 s.
constexpr int64_t kGrowWindow = 1 * kSecondNanos;
// A target whose lower half was not needed for this time halves: it would last more than 20 s.
// There is a factor of ten between growing and shrinking, so that a steady demand does not make the
// target swing.
constexpr int64_t kShrinkAfter = 10 * kSecondNanos;
// Age is kept in steps of 1/16 of max_age, so that 17 marks serve any number of arrivals. Bytes may
// go that much too early, never too late.
constexpr int64_t kAgeGrains = 16;

class ClassBufferImpl final : public ClassBuffer {
 public:
  ClassBufferImpl(const Options& options, SecretArena* arena, const Clock* clock)
      : options_(options), clock_(clock), ring_(arena) {}

  const std::string& class_name() const override { return options_.class_name; }
  size_t size() const override { return options_.size; }
  size_t level() const override { return ring_.level(); }
  bool Spares(size_t bytes) const override {
    return ring_.level() > bytes + demand_.held_back + target() / 2;
  }
  size_t target() const override {
    const size_t owed = static_cast<size_t>(std::min<uint64_t>(options_.size, demand_.owed));
    return std::max(stale_ ? 0 : base_target_, owed);
  }
  const Demand& demand() const override { return demand_; }
  uint64_t discarded_bytes() const override { return discarded_; }

  void Append(absl::Span<const uint8_t> bytes) override;
  size_t Take(absl::Span<uint8_t> out) override;
  void Discard() override;
  void SetDemand(const Demand& demand) override;
  void Tick() override;
  uint64_t WantMore(uint64_t promised) override;

 private:
  struct AgeMark {
    uint64_t end;     // position, in bytes ever appended, up to which bytes are this old
    int64_t arrived;  // when the first of them came
  };

  void NoteCrossing(int64_t now);
  void DropAged(int64_t now);
  void Shrink(int64_t now);
  void Wipe(size_t bytes);
  uint64_t removed() const { return appended_ - ring_.level(); }

  const Options options_;
  const Clock* const clock_;
  SecretRing ring_;

  std::deque<AgeMark> ages_;  // oldest first
  uint64_t appended_ = 0;     // bytes ever
  uint64_t discarded_ = 0;

  Demand demand_;
  size_t base_target_ = 0;  // the part of the target that follows use, without owed
  bool stale_ = false;      // bytes died of age and no guest has asked since
  bool taken_ = false;      // since the last crossing
  bool crossed_ = false;    // last_crossing_ may pair with the next one
  int64_t last_crossing_ = 0;
  int64_t used_at_ = 0;        // the last crossing, halving or first guest
  uint64_t reserved_for_ = 0;  // promised at the last WantMore, including what it returned
};

void ClassBufferImpl::Append(absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  bytes = bytes.subspan(0, ring_.Reserve(bytes.size()));
  ring_.Append(bytes);
  appended_ += bytes.size();
  reserved_for_ -= std::min<uint64_t>(reserved_for_, bytes.size());
  const int64_t now = clock_->NowNanos();
  if (!ages_.empty() && now - ages_.back().arrived < options_.max_age_nanos / kAgeGrains) {
    ages_.back().end = appended_;
  } else {
    ages_.push_back({appended_, now});
  }
}

size_t ClassBufferImpl::Take(absl::Span<uint8_t> out) {
  const size_t n = ring_.Take(out);
  if (n == 0) return 0;
  taken_ = true;
  stale_ = false;
  while (!ages_.empty() && ages_.front().end <= removed()) ages_.pop_front();
  return n;
}

void ClassBufferImpl::Wipe(size_t bytes) {
  discarded_ += bytes;
  ring_.Drop(bytes);
  while (!ages_.empty() && ages_.front().end <= removed()) ages_.pop_front();
}

void ClassBufferImpl::Discard() { Wipe(ring_.level()); }

void ClassBufferImpl::SetDemand(const Demand& demand) {
  if (demand.guests == 0) {
    base_target_ = 0;
    crossed_ = false;
  } else if (demand_.guests == 0) {
    base_target_ = kMinTarget;
    used_at_ = clock_->NowNanos();
  }
  demand_ = demand;
  if (demand.owed > 0) stale_ = false;
}

void ClassBufferImpl::Tick() {
  const int64_t now = clock_->NowNanos();
  DropAged(now);
  Shrink(now);
  const size_t above = target() > ring_.level() ? target() - ring_.level() : 0;
  ring_.Trim(std::max<size_t>(above, reserved_for_));
}

void ClassBufferImpl::DropAged(int64_t now) {
  while (!ages_.empty() && now - ages_.front().arrived >= options_.max_age_nanos) {
    Wipe(static_cast<size_t>(ages_.front().end - removed()));
    stale_ = demand_.owed == 0;
  }
}

void ClassBufferImpl::Shrink(int64_t now) {
  while (base_target_ > kMinTarget && now - used_at_ >= kShrinkAfter) {
    base_target_ = std::max(kMinTarget, base_target_ / 2);
    used_at_ += kShrinkAfter;
  }
}

void ClassBufferImpl::NoteCrossing(int64_t now) {
  taken_ = false;
  used_at_ = now;
  if (crossed_ && now - last_crossing_ <= kGrowWindow) {
    base_target_ = std::min(options_.size, base_target_ * 2);
    crossed_ = false;
    return;
  }
  crossed_ = true;
  last_crossing_ = now;
}

uint64_t ClassBufferImpl::WantMore(uint64_t promised) {
  reserved_for_ = promised;
  // Those who wait do not get what is held back.
  const size_t held_back = std::min(ring_.level(), demand_.held_back);
  const uint64_t have = ring_.level() - held_back + promised;
  if (target() == 0 || have > target() / 2) return 0;
  if (taken_) NoteCrossing(clock_->NowNanos());
  // The room is reserved before it is promised, because what arrives must fit.
  const size_t whole = std::min(options_.size, target() + held_back);
  const uint64_t aim = whole > ring_.level() ? whole - ring_.level() : 0;
  const uint64_t room = ring_.Reserve(static_cast<size_t>(aim));
  if (room <= promised) return 0;
  reserved_for_ = room;
  return room - promised;
}

}  // namespace

size_t ClassBuffer::ArenaBytes(size_t size) { return SecretRing::ArenaBytes(size); }

absl::StatusOr<std::unique_ptr<ClassBuffer>> ClassBuffer::Create(const Options& options,
                                                                 SecretArena* arena,
                                                                 const Clock* clock) {
  if (options.size < kMinTarget || options.max_age_nanos <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("create buffer of class ", options.class_name, ": size ", options.size,
                     " B and max_age ", options.max_age_nanos, " ns; the size must be at least ",
                     kMinTarget, " B and the age above 0"));
  }
  if (arena->capacity_bytes() < ArenaBytes(options.size)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "create buffer of class ", options.class_name, ": it may need ", ArenaBytes(options.size),
        " B of an arena of ", arena->capacity_bytes(), " B; make the arena larger"));
  }
  return std::make_unique<ClassBufferImpl>(options, arena, clock);
}

}  // namespace entropyd
