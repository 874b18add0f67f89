// Who gets how many bytes: a tree of shaped classes, with members that wait below its leaves.
//
//   auto tree = ClassTree::Create({.chunk_bytes = 1024}, classes).value();
//   ClassTree::MemberId m = tree->AddMember(*tree->FindLeaf("gold"), {.cookie = session});
//   tree->Want(m, 64 * 1024);                       // a level, not an increment
//   auto offer = [&](ClassTree::MemberId m, void* cookie, uint32_t n) {
//     return static_cast<Session*>(cookie)->Plan(n) ? n : 0;   // 0 parks the member
//   };
//   tree->Distribute(now, {.capacity_bytes = pool}, offer);
//
// Mechanism: hierarchical token-gated fair queueing, picked from the top so that every ancestor's
// ceiling binds. Each class has a rate bucket and a ceil bucket in nano-bytes (int64, exact). An
// inner class serves children that hold a chunk of rate tokens first ("green", by WFQ finish tag,
// tag += chunk/rate), then the others prio by prio ("yellow", by SFQ start tag, tag +=
// chunk/weight). A class without a chunk of ceil tokens waits in one event heap. The capacity need
// not be known. A leaf with a large rate may be given several chunks at its turn
// (Options::turn_nanos).
//
// No I/O, no clock, no thread: the caller passes the time, and one owner thread makes every call.
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
  static constexpr uint32_t kMaxTurnChunks = 16;

  using ClassId = uint32_t;   // a class's for as long as its name stays; reused afterwards
  using MemberId = uint32_t;  // reused after RemoveMember

  enum class Shed { kProportional, kPriority };

  struct Options {
    // L: the largest single grant, at most 1 MiB; but a turn of a leaf may take as many chunks as
    // its rate lets through in turn_nanos, up to kMaxTurnChunks, so that a class that is promised
    // much costs less for each byte. It holds up others for no longer than that, and no bucket is
    // overdrawn.
    uint32_t chunk_bytes = 1024;
    int64_t turn_nanos = 0;  // 0 = every turn is a chunk
    Shed shed = Shed::kProportional;
    bool allow_zero_rate_leaves = false;  // simulations only: such a leaf may starve
  };

  struct ClassSpec {
    std::string name = "";
    std::string parent = "";     // empty = root; exactly one class has none
    uint64_t rate = 0;           // bytes/s; 0 = an inner class: the sum of its children's
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
    // What the ceil's bucket held at a time: for a member that was one elsewhere. Absent = full.
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
    bool more = false;  // ended by capacity or max_grants with somebody still eligible
  };

  struct ClassStats {
    ClassSpec spec;  // with the defaults filled in
    bool leaf = false;
    uint32_t members = 0;
    uint32_t waiting_members = 0;
    uint64_t waiting_bytes = 0;
    uint64_t delivered_bytes = 0;  // the whole subtree's
    uint64_t borrowed_bytes = 0;   // given beyond the guarantee; the root never borrows
    int64_t throttled_nanos = 0;   // somebody below waited and the class's own ceiling said no
  };

  // Asks the owner to take up to `bytes` for `member`. Returns how many it took (1..bytes), or 0:
  // the member is parked, nothing is charged, until Unpark(). A member is eligible when it and all
  // classes above it hold a whole chunk of ceil tokens; charged is what it takes.
  // REQUIRES: the owner does not call the tree from within.
  using Offer = absl::FunctionRef<uint32_t(MemberId member, void* cookie, uint32_t bytes)>;

  // Errors: INVALID_ARGUMENT naming the class, the value and the remedy.
  static absl::StatusOr<std::unique_ptr<ClassTree>> Create(const Options& options,
                                                           absl::Span<const ClassSpec> classes);
  virtual ~ClassTree() = default;

  // Replaces the classes, matched by name, all at once or not at all. One that stays, be it below
  // another parent, keeps its id, its members and what they want, its counts, the tokens it holds
  // as far as its new buckets have room, and its turn among its siblings. A new one starts with
  // full buckets. Thus a class gets in every window at most what its ceil lets through from moment
  // to moment, and the cburst in force when the window began. Errors: INVALID_ARGUMENT as Create();
  // FAILED_PRECONDITION naming a class with members that would be removed or get children: move or
  // remove those first. On an error nothing has changed.
  virtual absl::Status Update(absl::Span<const ClassSpec> classes, int64_t now_nanos) = 0;

  // The leaf of that name; NOT_FOUND, or FAILED_PRECONDITION when the class is an inner one.
  virtual absl::StatusOr<ClassId> FindLeaf(const std::string& name) const = 0;

  virtual MemberId AddMember(ClassId leaf, const MemberSpec& spec) = 0;
  virtual void RemoveMember(MemberId member) = 0;
  // To another leaf, with all that it wants, has had, and holds of its own ceil's tokens.
  virtual void MoveMember(MemberId member, ClassId leaf, int64_t now_nanos) = 0;
  virtual void SetMemberWeight(MemberId member, double weight) = 0;
  // Sets how many bytes the member waits for; 0 = idle, costs nothing.
  virtual void Want(MemberId member, uint64_t bytes, int64_t now_nanos) = 0;
  virtual void Unpark(MemberId member, int64_t now_nanos) = 0;

  // Grants turns until nobody is eligible, the pass is used up, or all eligible are parked. What a
  // member takes is subtracted from its Want.
  virtual PassResult Distribute(int64_t now_nanos, const Pass& pass, Offer offer) = 0;

  // Offers the member up to `bytes` of a chunk at once, out of its turn, and returns what it took.
  // It is charged like any grant, so in the long run nobody gets more for it. 0: it wants nothing,
  // is parked (now, when it took nothing), has had bytes in advance of those that wait, or it or a
  // class above it holds no chunk of ceil tokens.
  virtual uint32_t GrantFirst(MemberId member, uint32_t bytes, int64_t now_nanos, Offer offer) = 0;
  // The same, also for one who has had bytes in advance: a floor below which nobody is to fall.
  virtual uint32_t GrantFloor(MemberId member, uint32_t bytes, int64_t now_nanos, Offer offer) = 0;

  // When a class or member that waits for ceil tokens may become eligible; nullopt = no such event.
  // Who is eligible already and waits for capacity only (PassResult::more) has no event.
  virtual absl::optional<int64_t> NextEventNanos() const = 0;

  // Parents before their children; the root is the first.
  virtual std::vector<ClassStats> Stats(int64_t now_nanos) const = 0;
  virtual uint64_t MemberDelivered(MemberId member) const = 0;
  virtual uint64_t MemberWant(MemberId member) const = 0;
  // What the bucket of its ceil holds then, in nano-bytes; 0 without a ceil.
  virtual int64_t MemberNanoTokens(MemberId member, int64_t now_nanos) const = 0;
};

}  // namespace entropyd
