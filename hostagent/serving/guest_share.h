// A guest as a member of a fair queue, however many connections it has. Its connections together
// have one share, one ceiling, one floor and one vote. Among themselves they take turns.
//
//   GuestShare share(queue);
//   auto id = share.Add(&connection);        // the guest counts while it has a connection
//   if (!share.ServeAtOnce(id, now)) share.Touch(id);   // its wants or pending replies changed
//   share.Remove(id, now);
//
// A share outlives its last connection for as long as its owner keeps it. Then it keeps its place,
// its tokens and what it owes to the others. So nobody gets more by connecting again and again.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/types/optional.h"
#include "hostagent/serving/fair_queue.h"

namespace entropyd {

class GuestShare final : public FairQueue::Member {
 public:
  // A connection of the guest. Reused after Remove().
  using Id = uint32_t;

  // Joins the queue, with a full bucket of its ceiling or with the tokens that it had in another
  // process. The guest does not count until Add(). The queue outlives the share, unless it is never
  // served again.
  explicit GuestShare(FairQueue* queue) : GuestShare(queue, absl::nullopt, 0) {}
  GuestShare(FairQueue* queue, absl::optional<int64_t> nano_tokens, int64_t now_nanos);
  GuestShare(const GuestShare&) = delete;
  GuestShare& operator=(const GuestShare&) = delete;
  // Leaves the queue. REQUIRES: no connection is left; not within a pass of the queue. Nothing else
  // is called afterwards.
  void LeaveQueue(int64_t now_nanos) { queue_->Remove(id_, now_nanos); }

  // What a connection may have before the next one has its turn, at least.
  static constexpr uint32_t kMinTurnBytes = 64;

  // This many connections without a grant deliver in one pass. Their replies have no entropy, which
  // nothing else bounds. Those that are left come first in the next pass.
  static constexpr uint32_t kUngrantedPerPass = 8;

  // As in FairQueue, for one connection.
  Id Add(FairQueue::Member* connection);
  void Remove(Id id, int64_t now_nanos);
  void Touch(Id id);
  bool ServeAtOnce(Id id, int64_t now_nanos);
  void Resume(Id id);

  // How long the guest waited for nothing but its own ceiling while the connection was here. The
  // time is one connection's, the oldest place's, so that the sum over all is the guest's.
  int64_t throttled_nanos(Id id, int64_t now_nanos) const;
  // What the guest's ceiling allows at once now.
  int64_t nano_tokens(int64_t now_nanos) const { return queue_->nano_tokens(id_, now_nanos); }
  uint32_t connections() const { return connections_; }
  // Other connections of the guest want bytes, and have not got them yet.
  bool OthersWait(Id id) const { return want_ > places_[id].want; }

  uint64_t Want() override;
  uint32_t Plan(uint32_t bytes) override;
  FairQueue::After Deliver() override;

 private:
  static constexpr Id kNobody = ~Id{0};
  struct Place {
    // nullptr = the place is free.
    FairQueue::Member* connection = nullptr;
    // Tells its users apart; see Ref.
    uint32_t user = 0;
    // As of its last Measure(), less what it has planned since.
    uint64_t want = 0;
    // It can take nothing until Resume().
    bool blocked = false;
    // Its neighbours among those that wait for a turn, while it does.
    bool in_turns = false;
    Id before = kNobody;
    Id after = kNobody;
    // It is in touched_, visit_.
    bool touched = false;
    bool visiting = false;
    // It has planned something since the last Deliver().
    bool planned = false;
  };
  // A place and its user. When the user has left, it refers to nobody.
  struct Ref {
    Id id = 0;
    uint32_t user = 0;
  };
  // Most guests have one connection. They have no memory of their own on the heap.
  using Refs = absl::InlinedVector<Ref, 1>;

  Place* Find(const Ref& ref);
  Ref RefTo(Id id) const { return {id, places_[id].user}; }
  void NoteTouched(Id id);
  void Visit(Id id);
  void Measure(Id id);
  // At the end of those that wait for a turn, and out of them.
  void JoinTurns(Id id);
  void LeaveTurns(Id id);
  // The time since the one that stands for the guest was chosen.
  int64_t UncountedNanos(int64_t now_nanos) const {
    return queue_->throttled_nanos(id_, now_nanos) - counted_nanos_;
  }
  void ChooseStandIn();

  FairQueue* const queue_;
  const FairQueue::Id id_;
  absl::InlinedVector<Place, 1> places_;
  absl::InlinedVector<Id, 1> free_;
  uint32_t connections_ = 0;
  // Of all places.
  uint64_t want_ = 0;
  // How many want something; the first and the last of them in the order of their turns.
  size_t turns_ = 0;
  Id first_turn_ = kNobody;
  Id last_turn_ = kNobody;
  Refs touched_;
  // Touched, or planned something since the last Deliver().
  Refs visit_;
  // Scratch of Deliver().
  Refs delivering_;
  Refs again_;
  // The place that the guest's throttled time is counted for.
  Id stand_in_ = 0;
  int64_t counted_nanos_ = 0;
};

}  // namespace entropyd
