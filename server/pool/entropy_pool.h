// The pool: it conditions what its sources give, group by group, and feeds a DRBG with it.
//
//   samples → Conditioner of their group → block of 512 full-entropy bits
//       block → reseeds the root DRBG
//       block → BlockStore (quality full)
//   root DRBG → a child DRBG per reader → out
//       quality full: the child's output XOR stored bytes (the RBG3(XOR) construction of
//       SP 800-90C); the stored bytes leave the store once
//
//   auto pool = EntropyPool::Create(options, provider, arena, clock, log, metrics).value();
//   pool->Add(member, samples);                       // the source's thread
//   reader->Read(out, pool->State().discard_epoch);   // reader: of pool->NewReader()
//
// Groups are independent. Each block comes from one group, and every group reseeds the root by
// itself, at least every reseed_interval. So the root knows which groups it rests on:
//   ready     At least min_healthy_groups of them gave a seed within max_seed_age. For quality full
//             some bytes are stored, or can come.
//   degraded  Ready, but some credited group has no healthy source now, or there are only software
//             sources.
//   failed source   Its group's open block, stored blocks and claim on the root are dropped. When
//                   the root rests on no other group, it is destroyed and discard_epoch rises.
//                   A source that has given nothing yet takes nothing along.
//   missing source  What it gave stays good until max_seed_age passes.
// A new configuration changes a pool while it gives bytes: sources come and go. A group goes with
// its last credited source, and its seed and its stored blocks go, too. Nothing has failed then, so
// what was delivered stays good. Sources that turn out to have one root count as one group from
// then on. Sources worth 0 bits are mixed in as additional input of the next reseeding, and never
// counted.
//
// Errors: Create() and readers return them; a DRBG that fails stops the pool for good.
//
// Thread safety: safe. Lock order: a pool's lock is innermost but for the arena's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "base/crypto/drbg.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "server/pool/block_store.h"
#include "server/pool/conditioner.h"
#include "server/pool/drbg_reader.h"
#include "server/pool/pool.h"
#include "server/pool/pool_root.h"
#include "server/pool/pool_series.h"
#include "server/pool/pool_standing.h"
#include "server/source/source_sink.h"

namespace entropyd {

class EntropyPool final : public Pool, public SourceSink, private DrbgReader::Host {
 public:
  struct Member {
    std::string source;
    std::string group;
    // SourceIdentity::root, as the configuration names it.
    std::string root = {};
    // Bits per byte credited in this pool.
    double min_entropy = 0;
    bool software = false;
    // In a change: not the source that had this name before.
    bool is_new = false;
  };

  // The pool asks for a fresh seed after this many bytes of output, whatever the interval …
  static constexpr uint64_t kReseedBytes = uint64_t{1} << 30;
  // … and stops when none came after this many. This is far below the limit of AES-256 in counter
  // mode.
  static constexpr uint64_t kMaxBytesPerSeed = uint64_t{1} << 40;

  struct Options {
    std::string name;
    v1::Quality quality = v1::QUALITY_DRBG;
    // A source's member number is its index here. A change says which numbers it gives (Apply).
    std::vector<Member> members;
    uint32_t min_healthy_groups = 1;
    // For quality full only.
    size_t capacity_bytes = 1 << 20;
    int64_t reseed_interval_nanos = 0;
    int64_t max_seed_age_nanos = 0;
    uint64_t max_bytes_per_seed = kMaxBytesPerSeed;
  };

  // Options that a pool is about to take, with all that it needs for them.
  struct Change {
    Options options = {};
    // As many as there may be new groups.
    std::vector<std::unique_ptr<Conditioner>> conditioners = {};
    // For another capacity.
    std::unique_ptr<BlockStore> store = nullptr;
  };

  // The references outlive the pool. Without `metrics` it has no series before ShowIn(). Errors:
  // RESOURCE_EXHAUSTED, INTERNAL.
  static absl::StatusOr<std::unique_ptr<EntropyPool>> Create(Options options,
                                                             const SeedProvider* provider,
                                                             SecretArena* arena, const Clock* clock,
                                                             Log* log, Metrics* metrics);
  ~EntropyPool() override;

  // Makes the series of its metrics. The pool with the same name must be gone.
  void ShowIn(Metrics* metrics);

  // Makes ready what Apply() needs, and changes nothing. `arena` is for another capacity only; it
  // outlives the store that is made from it. REQUIRES: name and quality are those of the pool, and
  // one thread makes all changes. Errors: RESOURCE_EXHAUSTED, INTERNAL.
  absl::StatusOr<Change> Prepare(Options options, SecretArena* arena) const;
  // Returns the number of each member, in the order of the options. A source that was a member
  // before keeps its number, its state and its root. REQUIRES: a source that is no member any more
  // does not call this pool any more.
  std::vector<int> Apply(Change change);

  const std::string& name() const override { return name_; }
  v1::Quality quality() const override { return quality_; }
  PoolState State() const override;
  uint64_t Available() const override;
  std::unique_ptr<PoolReader> NewReader() override;
  void SetChangeCallback(std::function<void()> callback) override {
    change_callback_ = std::move(callback);
  }

  bool Wants(int member) override;
  double Add(int member, absl::Span<const uint8_t> samples) override;
  void SetSourceState(int member, v1::SourceState state) override;
  void SetSourceRoot(int member, const std::string& root) override;

  // The pool calls it when its members should call Wants() again. REQUIRES: set before the sources
  // start.
  void SetWakeCallback(std::function<void()> callback) { wake_callback_ = std::move(callback); }

  // Lets seeds grow old, and updates the metrics. Must be called about every 100 ms.
  void Tick();
  // Stops the pool for good, because a self-test or a DRBG failed.
  void Fail(absl::string_view reason) override;

  v1::Pool Snapshot() const;

 private:
  struct Group {
    // Empty = nobody is in it, and its place is free.
    std::string name;
    bool credited = false;
    std::unique_ptr<Conditioner> conditioner;
    // When it last seeded the root; -1 = the root does not rest on it.
    int64_t seeded_at = -1;
    // True when the group must seed the root at once, whatever the interval.
    bool reseed_asked = true;
    // The state of the root holds bytes of the group, also when that seed counts no more.
    bool in_root = false;
  };
  // Its number is its place in members_, as long as it is a member.
  struct MemberState {
    Member config;
    // False: its place is free.
    bool present = true;
    // The index of the group that its configuration names.
    int home;
    // The index of the group that it counts in. It is another group when both have one root.
    int group;
    std::string root;
    v1::SourceState state = v1::SOURCE_STATE_STARTING;
    // It has given bytes with credit since its group failed last. Without that nothing of the pool
    // can rest on it, so its failure voids nothing.
    bool gave = false;
  };

  EntropyPool(Options options, const SeedProvider* provider, const Clock* clock, Log* log);
  absl::Status Init(SecretArena* arena, Metrics* metrics);

  bool SoftwareOnly() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Credited(int member) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return members_[member].present && members_[member].config.min_entropy > 0;
  }
  // The group of that name; made from one of `spare` when there is none.
  int GroupOf(const std::string& group, std::vector<std::unique_ptr<Conditioner>>* spare)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A group whose members all call it otherwise now gets that name, and keeps what it has.
  void RenameGroups(const std::vector<Member>& members, const std::vector<int>& numbers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The number of each of these members, who are there afterwards; nobody else is.
  std::vector<int> Enrol(const std::vector<Member>& members,
                         std::vector<std::unique_ptr<Conditioner>>* spare)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PoolStanding Stand(int64_t now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the pool tells after it has released the lock.
  struct Told {
    PoolState before, after;
    bool bytes_arrived = false;
  };
  // Takes over the pool's standing at this moment.
  Told Evaluate(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Logs, and calls back when State() changed or bytes arrived.
  void Tell(const Told& change) ABSL_LOCKS_EXCLUDED(mutex_);
  bool SeedDue(const Group& group, int64_t now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool BlockWanted(const Group& group, int64_t now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status UseBlock(int group, int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes members with one group or one root count together. Returns true when that changed
  // anything.
  bool Regroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets what the group gave.
  void EmptyGroup(int group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropGroup(int group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailLocked(absl::string_view reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // From DrbgReader::Host.
  const PublishedState& published() const override { return published_; }
  absl::StatusOr<uint64_t> DrawSeed(absl::Span<uint8_t> seed,
                                    absl::Span<const uint8_t> fresh) override;
  absl::Status TakeStored(absl::Span<uint8_t> out) override;
  void CountDelivered(size_t bytes, const BlockStatistic::Tally& examined) override;

  // Constant after Create().
  const std::string name_;
  const v1::Quality quality_;
  const SeedProvider* const provider_;
  const Clock* const clock_;
  Log* const log_;
  std::unique_ptr<PoolSeries> series_;
  std::function<void()> change_callback_;
  std::function<void()> wake_callback_;

  PublishedState published_;
  PoolCounters counters_;

  mutable absl::Mutex mutex_;
  // Without the members.
  Options options_ ABSL_GUARDED_BY(mutex_);
  std::vector<MemberState> members_ ABSL_GUARDED_BY(mutex_);
  std::vector<Group> groups_ ABSL_GUARDED_BY(mutex_);
  // Set by Create(), and never empty later.
  absl::optional<PoolRoot> root_ ABSL_GUARDED_BY(mutex_);
  // Set for quality full only.
  std::unique_ptr<BlockStore> store_ ABSL_GUARDED_BY(mutex_);
  // The block that is being used.
  SecretBytes block_ ABSL_GUARDED_BY(mutex_);
  std::string failure_ ABSL_GUARDED_BY(mutex_);
  // The state that the pool told last.
  PoolState state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
