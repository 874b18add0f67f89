// The members of one class, and how they share the bytes that have arrived. It is fair queueing
// over a ClassTree with only this class. Every member has weight 1 and may have a ceiling of its
// own. A pass never gives away more than the class buffer holds, so a greedy member gets what
// others leave.
//
// Where members want more than arrives, the buffer would always be empty when a polite member asks.
// It would then wait for the next arrival, however little it takes. So the last KiB is held back
// from those who already wait (hostagent/serving/held_back.h). Members that begin to wait get it,
// at once and out of turn, if they have had no more than the others. The bytes that they take are
// charged to them and refilled first.
//
// Before both, a member that has waited for a second and got nothing gets 64 bytes
// (hostagent/serving/guest_floor.h).
//
//   auto id = queue->Add(&member);
//   if (!queue->ServeAtOnce(id, now)) queue->Touch(id);  // its wants or pending replies changed
//   queue->Serve(now);     // once after each turn's events, and after bytes have arrived
//
// Where nobody waits and there is more than enough, there is nothing to share. Then ServeAtOnce()
// lets the member deliver without a pass. It does not charge the member, because the pass would
// have charged it for at most one grant anyway.
//
// Serve() asks the touched members what they want and distributes. Then every member that was
// touched or got something delivers. It repeats while members say that another pass would serve
// them, within the budget of one turn of the loop (hostagent/serving/serve_budget.h). The rest is
// unfinished(): the next Serve() goes on with the members whose turn it is. So no request, however
// large, keeps the loop from the others, even where a class never runs dry.
//
// Errors: none.
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
#include "hostagent/serving/held_back.h"
#include "hostagent/serving/serve_budget.h"
#include "hostagent/serving/waiting_count.h"

namespace entropyd {

class FairQueue {
 public:
  // A member's largest grant. Sixteen pipelined 64-byte requests, which a busy client sends, are
  // one grant, and a polite member waits for at most 1 KiB of each other one. Where a member's
  // ceiling is less than this in a second, the grant is one second's worth, and at least 64 bytes.
  // A member that waited 16 s for 1 KiB would have the same rate and long waits.
  static constexpr uint32_t kChunkBytes = 1024;

  enum class After {
    // Nothing more to do until somebody touches it.
    kDone,
    // It would use another pass at once, and has made progress in this one.
    kAgain,
    // It can take nothing until Resume().
    kBlocked,
  };

  // What the queue serves: a guest (hostagent/serving/guest_share.h) or a feed.
  class Member {
   public:
    // The bytes that it could use now, without those in its plan.
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

  // Reused after the Serve() that follows Remove().
  using Id = uint32_t;

  // `guest_ceil` in bytes/s, ClassTree::kUnlimited = none. The buffer outlives the queue.
  FairQueue(ClassBuffer* buffer, uint64_t guest_ceil);
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // With a full bucket of its ceiling.
  Id Add(Member* member);
  // With the tokens that it had in another process.
  Id Add(Member* member, int64_t nano_tokens, int64_t now_nanos);
  void Remove(Id id, int64_t now_nanos);
  // How many connections the member has; a new member has one. Without any it wants nothing and is
  // not counted. It keeps its tokens, and what it has had more or less than the others.
  void SetConnections(Id id, uint32_t connections);
  // The member's wants or its pending replies have changed: the next Serve() asks it.
  void Touch(Id id);
  // Has the member deliver now, if nobody waits, nobody has a ceiling, and the buffer stays above
  // low water without what the member wants, at most one grant. False = nothing has happened: touch
  // the member. Not within Serve().
  bool ServeAtOnce(Id id, int64_t now_nanos);
  // Ends kBlocked.
  void Resume(Id id, int64_t now_nanos);

  // One or more passes; see above. As many queues as `sharers` share what one turn may do.
  void Serve(int64_t now_nanos, uint32_t sharers = 1);
  // Serve() has work.
  bool pending() const { return unfinished() || !removed_.empty(); }
  // There is work for which nothing else has to happen first: call Serve() in the next turn.
  bool unfinished() const { return !touched_.empty() || unserved_; }

  // When a member that waits for its own ceiling may be served; nullopt = none does.
  absl::optional<int64_t> NextEventNanos() const { return tree_->NextEventNanos(); }

  bool has_ceil() const { return guest_ceil_ != ClassTree::kUnlimited; }
  int64_t nano_tokens(Id id, int64_t now_nanos) const {
    return tree_->MemberNanoTokens(slots_[id].id, now_nanos);
  }
  // How long a member waited for nothing but its own ceiling. Exact for a member that waits no
  // more, else as of `now_nanos`.
  int64_t throttled_nanos(Id id, int64_t now_nanos) const {
    const Slot& slot = slots_[id];
    return slot.throttled_nanos + (slot.throttled ? now_nanos - slot.throttled_since : 0);
  }
  // The same for all members that ever were here, as of each member's last pass.
  int64_t throttled_nanos() const { return throttled_nanos_; }
  // Exactly, of all members. Looks at each.
  int64_t throttled_nanos_until(int64_t now_nanos) const;

  ClassBuffer* buffer() const { return buffer_; }
  // Those with a connection.
  uint32_t members() const { return members_; }
  // Of all members.
  uint32_t connections() const { return connections_; }
  // The bytes that all members wait for, as of their last Touch().
  uint64_t owed() const { return owed_; }
  // Members that wait, or did a moment ago.
  uint32_t waiting_members() const { return waiting_.count(); }
  // The bytes that members who already wait do not get, as of the last Serve().
  size_t held_back() const { return held_back_.bytes(); }

 private:
  struct Slot {
    // nullptr = the slot is free.
    Member* member = nullptr;
    ClassTree::MemberId id = 0;
    uint32_t connections = 0;
    // What the tree knows.
    uint64_t want = 0;
    // Plan() said 0.
    bool parked = false;
    // Parked until Resume().
    bool blocked = false;
    // It is in touched_.
    bool touched = false;
    // It is in visit_.
    bool visiting = false;
    // In this pass.
    uint32_t granted = 0;
    // Since throttled_since.
    bool throttled = false;
    int64_t throttled_since = 0;
    int64_t throttled_nanos = 0;
    // It is in fresh_.
    bool fresh = false;
    WaitingCount::Wait wait;
  };

  void AskTouched(int64_t now_nanos);
  void CountWaiting(int64_t now_nanos);
  uint64_t ServeFloor(int64_t now_nanos, uint64_t level);
  uint64_t ServeFresh(int64_t now_nanos, uint64_t level);
  bool Distribute(int64_t now_nanos);
  void SetWant(Slot* slot, int64_t now_nanos);
  void Unpark(Slot* slot, int64_t now_nanos);
  void Visit(Id id);
  void DeliverTo(Id id, int64_t now_nanos, bool all_served);
  Id AddMember(Member* member, const ClassTree::MemberSpec& spec);
  void SetThrottled(Slot* slot, bool throttled, int64_t now_nanos);
  uint32_t Offer(void* cookie, uint32_t bytes);

  ClassBuffer* const buffer_;
  const uint64_t guest_ceil_;
  std::unique_ptr<ClassTree> tree_;
  ClassTree::ClassId leaf_ = 0;
  std::vector<Slot> slots_;
  std::vector<Id> free_;
  // Free in the next pass. A new member may then stand in touched_ for the one before, too, and is
  // asked once more than it has to be.
  std::vector<Id> removed_;
  std::vector<Id> touched_;
  // Touched, or granted something in this pass.
  std::vector<Id> visit_;
  // They began to wait and have got nothing since.
  std::vector<Id> fresh_;
  GuestFloor floor_;
  // Of one Serve().
  ServeBudget budget_;
  // The budget ended the last Serve() while somebody could be given something.
  bool unserved_ = false;
  uint32_t members_ = 0;
  uint32_t connections_ = 0;
  uint64_t owed_ = 0;
  int64_t throttled_nanos_ = 0;
  WaitingCount waiting_;
  HeldBack held_back_;
};

}  // namespace entropyd
