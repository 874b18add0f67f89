// Decides who gets how many bytes: a tree of shaped classes, with members that wait in its leaves.
//
//   auto tree = ClassTree::Create({.chunk_bytes = 1024}, classes).value();
//   ClassTree::MemberId m = tree->AddMember(*tree->FindLeaf("gold"), {.cookie = claimant});
//   tree->Want(m, 64 * 1024);                       // a level, not an increment
//   auto offer = [&](ClassTree::MemberId m, void* cookie, uint32_t n) {
//     return static_cast<Claimant*>(cookie)->Plan(n) ? n : 0;   // 0 parks the member
//   };
//   tree->Distribute(now, {.capacity_bytes = pool}, offer);
//
// Mechanism: hierarchical token-gated fair queueing. Each pick starts at the root, so that the
// ceiling of every ancestor binds. Each class has a rate bucket and a ceil bucket in nano-bytes
// (int64, exact). An inner class first serves the children that hold a chunk of rate tokens:
//   green    by WFQ finish tag, tag += chunk/rate.
// Then it serves the others, prio by prio:
//   yellow   by SFQ start tag, tag += chunk/weight.
// A class without a chunk of ceil tokens waits in one event heap. The tree need not know the
// capacity. A leaf with a large rate may get several chunks in one turn (Options::turn_nanos).
//
// No I/O, no clock, no thread: the caller passes the time.
//
// Thread safety: none; one thread owns the tree and makes every call.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace entropyd {

class ClassTree {
 public:
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
  // Bounds how long one leaf with a large rate holds up the others.
  static constexpr uint32_t kMaxTurnChunks = 16;

  using ClassId = uint32_t;   // belongs to a class while its name stays; reused afterwards
  using MemberId = uint32_t;  // reused after RemoveMember

  // What happens when the capacity is less than all guarantees together: every class gets its
  // share of it, or the classes of the lower prio number come first.
  enum class Shed { kProportional, kPriority };

  struct Options {
    // L: the largest single grant, at most 1 MiB. With turn_nanos, a turn of a leaf may take as
    // many chunks as its rate lets through in that time, up to kMaxTurnChunks: then a class with a
    // large guarantee costs less for each byte. A turn holds up others no longer than that, and
    // overdraws no bucket.
    uint32_t chunk_bytes = 1024;
    int64_t turn_nanos = 0;  // 0 = every turn is a chunk
    Shed shed = Shed::kProportional;
    bool allow_zero_rate_leaves = false;  // simulations only: such a leaf may starve
  };

  struct ClassSpec {
    std::string name = "";
    std::string parent = "";     // empty = root; exactly one class has none
    uint64_t rate = 0;           // bytes/s; 0 = for an inner class, the sum of its children's rates
    uint64_t ceil = kUnlimited;  // bytes/s
    uint64_t burst = 0;          // bytes; 0 = max(4 chunks, rate x 10 ms)
    uint64_t cburst = 0;         // bytes; 0 = max(4 chunks, ceil x 10 ms)
    double weight = 0;           // 0 = the rate
    uint32_t prio = 0;           // 0..7, local to the siblings
  };

  struct MemberSpec {
    double weight = 1;           // among the members of its leaf; clamped to 2^-20..2^20
    uint64_t ceil = kUnlimited;  // bytes/s, the member's own, at least 1
    void* cookie = nullptr;      // handed to `offer`
    // What the bucket of its ceil held at tokens_at_nanos, for a member that comes from another
    // tree. Absent = full.
    absl::optional<int64_t> nano_tokens = absl::nullopt;
    int64_t tokens_at_nanos = 0;
  };

  struct Pass {
    uint64_t capacity_bytes = kUnlimited;  // what may be given away in this pass
    uint32_t max_grants = 4096;
  };

  struct PassResult {
    uint64_t bytes = 0;
    uint32_t grants = 0;
    bool more = false;  // capacity or max_grants ended the pass while a member was still eligible
  };

  struct ClassStats {
    ClassSpec spec;  // with the defaults filled in
    bool leaf = false;
    uint32_t members = 0;
    uint32_t waiting_members = 0;
    uint64_t waiting_bytes = 0;
    uint64_t delivered_bytes = 0;  // to the whole subtree
    uint64_t borrowed_bytes = 0;   // given beyond the guarantee; the root never borrows
    int64_t throttled_nanos = 0;   // a member below waited, and this class had reached its ceiling
  };

  // Asks the owner to take up to `bytes` for `member`. Returns how many it took (1..bytes); the
  // tree charges these. 0 parks the member until Unpark(), and charges nothing. A member is
  // eligible when it and all classes above it hold a whole chunk of ceil tokens.
  // REQUIRES: the owner does not call the tree inside the offer.
  using Offer = absl::FunctionRef<uint32_t(MemberId member, void* cookie, uint32_t bytes)>;

  // Errors: INVALID_ARGUMENT naming the class, the value and the remedy.
  static absl::StatusOr<std::unique_ptr<ClassTree>> Create(const Options& options,
                                                           absl::Span<const ClassSpec> classes);
  virtual ~ClassTree() = default;

  // Replaces all classes at once, or none. Classes are matched by name. A class that stays, even
  // below another parent, keeps its id, its members and what they want, its counts, and its turn
  // among its siblings. It keeps its tokens as far as its new buckets have room. A new class starts
  // with full buckets. So in every window a class gets at most what its ceil lets through from
  // moment to moment, plus the cburst in force when the window began.
  // Errors: INVALID_ARGUMENT as Create(); FAILED_PRECONDITION names a class with members that would
  // be removed or get children: move or remove its members first. After an error nothing has
  // changed.
  virtual absl::Status Update(absl::Span<const ClassSpec> classes, int64_t now_nanos) = 0;
  // Replaces Options::shed, from the next Update() on.
  virtual void SetShed(Shed shed) = 0;

  // The leaf of that name. Errors: NOT_FOUND; FAILED_PRECONDITION when the class has children.
  virtual absl::StatusOr<ClassId> FindLeaf(const std::string& name) const = 0;

  // A new member wants nothing yet.
  virtual MemberId AddMember(ClassId leaf, const MemberSpec& spec) = 0;
  virtual void RemoveMember(MemberId member) = 0;
  // Moves it to another leaf. It keeps what it wants, what it has had, and the tokens of its ceil.
  virtual void MoveMember(MemberId member, ClassId leaf, int64_t now_nanos) = 0;
  virtual void SetMemberWeight(MemberId member, double weight) = 0;
  // Sets how many bytes the member waits for; 0 = it is idle and costs nothing.
  virtual void Want(MemberId member, uint64_t bytes, int64_t now_nanos) = 0;
  // Lets a parked member compete again. Does nothing for any other member.
  virtual void Unpark(MemberId member, int64_t now_nanos) = 0;

  // Gives turns until no member is eligible, or the pass is used up. A parked member is not
  // eligible. What a member takes is subtracted from its Want.
  virtual PassResult Distribute(int64_t now_nanos, const Pass& pass, Offer offer) = 0;

  // Offers the member up to `bytes`, at most a chunk, at once and out of its turn. Returns what it
  // took. The tree charges it like any grant, so in the long run nobody gets more this way. Returns
  // 0 when the member wants nothing, is parked, or has had more than its share already; when it
  // takes nothing, which parks it; and when it or a class above it holds no chunk of ceil tokens.
  virtual uint32_t GrantFirst(MemberId member, uint32_t bytes, int64_t now_nanos, Offer offer) = 0;
  // The same, also for a member that has had more than its share already. For a floor: a rate that
  // every member gets.
  virtual uint32_t GrantFloor(MemberId member, uint32_t bytes, int64_t now_nanos, Offer offer) = 0;

  // When the next class or member that waits for ceil tokens may become eligible; nullopt = none
  // waits for tokens. A member that waits only for capacity (PassResult::more) has no event.
  virtual absl::optional<int64_t> NextEventNanos() const = 0;

  // One entry a class. Parents come before their children; the root is the first.
  virtual std::vector<ClassStats> Stats(int64_t now_nanos) const = 0;
  // Bytes that the member has taken since AddMember().
  virtual uint64_t MemberDelivered(MemberId member) const = 0;
  // Bytes that the member still waits for.
  virtual uint64_t MemberWant(MemberId member) const = 0;
  // What the bucket of its ceil holds at `now_nanos`, in nano-bytes; 0 for a member without a ceil.
  virtual int64_t MemberNanoTokens(MemberId member, int64_t now_nanos) const = 0;
};

}  // namespace entropyd
