// The guests of one class, and how they share what has arrived: fair queueing over a ClassTree
// whose only class is this one, every guest a member of weight 1 with an optional ceiling of its
// own. A pass never gives away more than the class buffer holds, so a greedy guest takes what
// others leave.
//
// Where guests want more than arrives the buffer would be empty whenever a polite one asks, and it
// would wait for the next arrival however little it takes. So the last KiB is held back from those
// who wait already: it goes, at once and out of turn, to guests that begin to wait and have had no
// more than the others. What they take is charged to them and refilled first.
//
// Before both, who has waited for a second and got nothing has 64 bytes
// (hostagent/serving/guest_floor.h).
//
//   auto id = tree->Add(&guest, now);
//   if (!tree->ServeAtOnce(id, now)) tree->Touch(id);  // its wants or its pending replies changed
//   tree->Serve(now);     // once after each batch of events, and after bytes have arrived
//
// Where nobody waits and there is more than enough there is nothing to share: ServeAtOnce() lets
// the guest deliver without a pass, and without charging it, as the pass would have charged it for
// at most a grant anyway.
//
// Serve() asks the touched guests what they want, distributes, and lets every guest that was
// touched or got something deliver. It repeats while guests say that a further pass would serve
// them.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/optional.h"
#include "base/class_tree/class_tree.h"
#include "hostagent/serving/class_buffer.h"
#include "hostagent/serving/guest_floor.h"

namespace entropyd {

class FairQueue {
 public:
  // A guest's largest grant. Sixteen pipelined 64-byte requests, what a busy client sends, are one
  // grant, and a polite guest waits for at most 1 KiB of each other one. Where a guest's ceiling is
  // less a second, it is a second's worth, and 64 bytes at least: a guest that waited 16 s for 1
  // KiB would have the same rate and long waits.
  static constexpr uint32_t kChunkBytes = 1024;
  // Held back for guests that begin to wait: 16 requests of a Linux guest. A quarter of a small
  // buffer.
  static constexpr size_t kHeldBack = ClassBuffer::kMinTarget;
  // What is held back is for as long as bytes keep arriving: what is left when they do not is for
  // whoever waits.
  static constexpr int64_t kArrivalPatienceNanos = 1'000'000'000;
  // A guest that waited so lately still counts as waiting: one that asks every now and then, and is
  // served each time, has a part in what its host needs.
  static constexpr int64_t kWaitMemoryNanos = 2'000'000'000;

  enum class After {
    kDone,     // nothing more to do until it is touched
    kAgain,    // it would use another pass at once (and has made progress in this one)
    kBlocked,  // it can take nothing until Resume()
  };

  class Member {
   public:
    // Bytes it could use now, without those in its plan.
    virtual uint64_t Want() = 0;
    // Adds up to `bytes` to its plan and returns how many; 0 = its plan is full, or it is blocked.
    // Must not add or remove members.
    virtual uint32_t Plan(uint32_t bytes) = 0;
    // Takes what it planned from the buffer, answers what it can and forgets the rest of the plan.
    // May remove itself or others.
    virtual After Deliver() = 0;

   protected:
    ~Member() = default;
  };

  using Id = uint32_t;  // reused after the Serve() that follows Remove()

  // `guest_ceil` in bytes/s, ClassTree::kUnlimited = none. The buffer outlives the tree.
  FairQueue(ClassBuffer* buffer, uint64_t guest_ceil);
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // With a full bucket of its ceiling, or with what it held in another process.
  Id Add(Member* member);
  Id Add(Member* member, int64_t nano_tokens, int64_t now_nanos);
  void Remove(Id id, int64_t now_nanos);
  void Touch(Id id);
  // Has the guest deliver now if nobody waits, nobody has a ceiling, and the buffer stays above low
  // water without what it wants, a grant at most. False = touch it, nothing has happened. Not
  // within Serve().
  bool ServeAtOnce(Id id, int64_t now_nanos);
  void Resume(Id id, int64_t now_nanos);  // ends kBlocked

  void Serve(int64_t now_nanos);
  bool pending() const { return !touched_.empty() || !removed_.empty(); }  // Serve() has work

  // When a guest that waits for its own ceiling may be served; nullopt = none does.
  absl::optional<int64_t> NextEventNanos() const { return tree_->NextEventNanos(); }

  bool has_ceil() const { return guest_ceil_ != ClassTree::kUnlimited; }
  int64_t nano_tokens(Id id, int64_t now_nanos) const {
    return tree_->MemberNanoTokens(slots_[id].id, now_nanos);
  }
  // How long a guest, and all that ever were here, waited for nothing but their own ceilings. Exact
  // for a guest that waits no more; else as of `now_nanos`, and for all as of each guest's last
  // pass.
  int64_t throttled_nanos(Id id, int64_t now_nanos) const {
    const Slot& slot = slots_[id];
    return slot.throttled_nanos + (slot.throttled ? now_nanos - slot.throttled_since : 0);
  }
  int64_t throttled_nanos() const { return throttled_nanos_; }
  int64_t throttled_nanos_until(int64_t now_nanos) const;  // of all, exactly; looks at each

  ClassBuffer* buffer() const { return buffer_; }
  uint32_t guests() const { return guests_; }
  uint64_t owed() const { return owed_; }  // bytes all guests wait for, as of their last Touch()
  // Guests that wait, or did within kWaitMemoryNanos, give or take a second.
  uint32_t waiting_guests() const { return waiting_guests_; }
  // Bytes that are not given to those who wait already, as of the last Serve().
  size_t held_back() const { return held_back_; }

 private:
  struct Slot {
    Member* member = nullptr;  // nullptr = free
    ClassTree::MemberId id = 0;
    uint64_t want = 0;       // as the tree knows it
    bool parked = false;     // Plan() said 0
    bool blocked = false;    // parked until Resume()
    bool touched = false;    // is in touched_
    bool visiting = false;   // is in visit_
    uint32_t granted = 0;    // in this pass
    bool throttled = false;  // since throttled_since
    int64_t throttled_since = 0;
    int64_t throttled_nanos = 0;
    bool fresh = false;    // is in fresh_
    bool counted = false;  // in waiting_guests_
    int64_t waited_at = 0;
  };

  void CountWaiting(int64_t now_nanos);
  void UpdateHeldBack(int64_t now_nanos);
  uint64_t ServeFloor(int64_t now_nanos, uint64_t level);
  uint64_t ServeFresh(int64_t now_nanos, uint64_t level);
  bool Distribute(int64_t now_nanos);
  void NoteWaiting(Slot* slot, int64_t now_nanos);
  void SetWant(Slot* slot, int64_t now_nanos);
  void Unpark(Slot* slot, int64_t now_nanos);
  void Visit(Id id);
  void DeliverTo(Id id, int64_t now_nanos, bool all_served);
  Id AddMember(Member* member, const ClassTree::MemberSpec& spec);
  void SetThrottled(Slot* slot, bool throttled, int64_t now_nanos);
  uint32_t Offer(void* cookie, uint32_t bytes);

  ClassBuffer* const buffer_;
  const uint64_t guest_ceil_;
  const size_t most_held_back_;
  std::unique_ptr<ClassTree> tree_;
  ClassTree::ClassId leaf_ = 0;
  std::vector<Slot> slots_;
  std::vector<Id> free_;
  std::vector<Id> removed_;  // free once nobody refers to them
  std::vector<Id> touched_;
  std::vector<Id> visit_;  // touched, or granted something in this pass
  std::vector<Id> fresh_;  // began to wait and have got nothing since
  GuestFloor floor_;
  uint32_t guests_ = 0;
  uint64_t owed_ = 0;
  int64_t throttled_nanos_ = 0;
  uint32_t waiting_guests_ = 0;
  int64_t counted_at_ = 0;  // the last CountWaiting()
  size_t held_back_ = 0;
  size_t level_left_ = 0;  // by the last Serve(): more than that has arrived since
  int64_t arrived_at_ = -kArrivalPatienceNanos;
};

}  // namespace entropyd
