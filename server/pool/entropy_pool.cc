#include "server/pool/entropy_pool.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/process/nanos.h"
#include "server/driver/source_identity.h"

namespace entropyd {
namespace {

// A full pool reports new bytes while it holds less than one or two chunks of its classes. A
// claimant that found too little waits for this report.
constexpr size_t kNearlyEmptyBytes = 1024;

}  // namespace

EntropyPool::EntropyPool(Options options, const SeedProvider* provider, const Clock* clock,
                         Log* log)
    : options_(std::move(options)), provider_(provider), clock_(clock), log_(log) {}

EntropyPool::~EntropyPool() = default;

absl::StatusOr<std::unique_ptr<EntropyPool>> EntropyPool::Create(Options options,
                                                                 const SeedProvider* provider,
                                                                 SecretArena* arena,
                                                                 const Clock* clock, Log* log,
                                                                 Metrics* metrics) {
  std::unique_ptr<EntropyPool> pool(new EntropyPool(std::move(options), provider, clock, log));
  if (absl::Status status = pool->Init(arena, metrics); !status.ok()) return status;
  return pool;
}

absl::Status EntropyPool::Init(SecretArena* arena, Metrics* metrics) {
  absl::MutexLock lock(&mutex_);
  const int members = static_cast<int>(options_.members.size());
  for (const Member& member : options_.members) {
    auto group = std::find_if(groups_.begin(), groups_.end(),
                              [&](const Group& g) { return g.name == member.group; });
    if (group == groups_.end()) {
      absl::StatusOr<std::unique_ptr<Conditioner>> conditioner = Conditioner::Create(members);
      if (!conditioner.ok()) return conditioner.status();
      groups_.push_back({.name = member.group, .conditioner = *std::move(conditioner)});
      group = groups_.end() - 1;
    }
    const int home = static_cast<int>(group - groups_.begin());
    members_.push_back({.home = home, .group = home, .root = member.root});
  }
  Regroup();
  absl::StatusOr<PoolRoot> root = PoolRoot::Create(name(), provider_);
  if (!root.ok()) return root.status();
  root_ = *std::move(root);
  absl::StatusOr<SecretBytes> block = arena->Allocate(Conditioner::kBlockBytes);
  if (!block.ok()) return block.status();
  block_ = *std::move(block);
  if (quality() == v1::QUALITY_FULL) {
    absl::StatusOr<BlockStore> store = BlockStore::Create(arena, options_.capacity_bytes);
    if (!store.ok()) return store.status();
    store_ = std::make_unique<BlockStore>(*std::move(store));
  }

  series_ = std::make_unique<PoolSeries>(name(), quality(), SoftwareOnly(), metrics);
  state_ = Stand(clock_->NowNanos()).state;
  if (SoftwareOnly()) {
    log_->Warning("pool.software_only",
                  {{"pool", name()},
                   {"reason",
                    "no hardware source: its bytes are worth what the kernel's are, "
                    "no more; for tests and demonstrations"}});
  }
  return absl::OkStatus();
}

bool EntropyPool::SoftwareOnly() const {
  return std::all_of(options_.members.begin(), options_.members.end(),
                     [](const Member& m) { return m.software; });
}

PoolStanding EntropyPool::Stand(int64_t now) const {
  PoolFacts facts;
  for (const Group& group : groups_) {
    facts.groups.push_back({.credited = group.credited, .seeded_at_nanos = group.seeded_at});
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    if (options_.members[i].min_entropy == 0) continue;
    if (members_[i].state == v1::SOURCE_STATE_HEALTHY) {
      facts.groups[members_[i].group].healthy = true;
    } else {
      facts.missing.push_back({options_.members[i].source, members_[i].state});
    }
  }
  facts.min_healthy_groups = options_.min_healthy_groups;
  facts.max_seed_age_nanos = options_.max_seed_age_nanos;
  facts.bytes_since_seed = published_.bytes_since_seed;
  facts.max_bytes_per_seed = options_.max_bytes_per_seed;
  facts.stores = store_ != nullptr;
  facts.stored_bytes = store_ == nullptr ? 0 : store_->bytes();
  facts.software_only = SoftwareOnly();
  facts.failure = failure_;
  facts.seed_generation = published_.generation;
  facts.discard_epoch = published_.epoch;
  return StandingOf(facts, now);
}

EntropyPool::Change EntropyPool::Evaluate(int64_t now) {
  const PoolStanding standing = Stand(now);
  published_.ready_until = standing.ready_until_nanos;
  Change change;
  change.before = std::exchange(state_, standing.state);
  change.after = state_;
  return change;
}

void EntropyPool::Tell(const Change& change) {
  const PoolState& before = change.before;
  const PoolState& after = change.after;
  if (before.discard_epoch != after.discard_epoch) {
    log_->Error("pool.discarded", {{"pool", name()},
                                   {"epoch", after.discard_epoch},
                                   {"reason", "the sources that its bytes rested on failed"}});
  }
  if (before.ready() && !after.ready()) {
    log_->Error("pool.suspended", {{"pool", name()}, {"reason", after.Text()}});
  } else if (!before.ready() && after.ready()) {
    log_->Info("pool.ready",
               {{"pool", name()}, {"degraded", after.degraded()}, {"reason", after.Text()}});
  } else if (before.degraded() != after.degraded()) {
    if (after.degraded()) {
      log_->Warning("pool.degraded", {{"pool", name()}, {"reason", after.Text()}});
    } else {
      log_->Info("pool.restored", {{"pool", name()}});
    }
  }
  const bool changed = before.discard_epoch != after.discard_epoch || !before.LooksLike(after);
  if ((changed || change.bytes_arrived) && change_callback_) change_callback_();
}

PoolState EntropyPool::State() const {
  absl::MutexLock lock(&mutex_);
  return Stand(clock_->NowNanos()).state;
}

uint64_t EntropyPool::Available() const {
  if (clock_->NowNanos() >= published_.ready_until) return 0;
  if (quality() != v1::QUALITY_FULL) return std::numeric_limits<uint64_t>::max();
  absl::MutexLock lock(&mutex_);
  return store_->bytes();
}

bool EntropyPool::SeedDue(const Group& group, int64_t now) const {
  return group.reseed_asked || group.seeded_at < 0 ||
         now - group.seeded_at >= options_.reseed_interval_nanos ||
         published_.bytes_since_seed >= kReseedBytes;
}

bool EntropyPool::BlockWanted(const Group& group, int64_t now) const {
  return SeedDue(group, now) || (store_ != nullptr && !store_->full());
}

bool EntropyPool::Wants(int member) {
  absl::MutexLock lock(&mutex_);
  return options_.members[member].min_entropy > 0 && failure_.empty() &&
         BlockWanted(groups_[members_[member].group], clock_->NowNanos());
}

double EntropyPool::Add(int member, absl::Span<const uint8_t> samples) {
  const int64_t now = clock_->NowNanos();
  const double bits_per_byte = options_.members[member].min_entropy;
  const double credited = static_cast<double>(samples.size()) * bits_per_byte;
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    if (members_[member].state != v1::SOURCE_STATE_HEALTHY || !failure_.empty()) return 0;
    if (bits_per_byte == 0) {
      root_->Mix(samples);
      return 0;
    }
    const size_t stored = store_ == nullptr ? 0 : store_->bytes();
    const int index = members_[member].group;
    Group& group = groups_[index];
    while (!samples.empty() && failure_.empty()) {
      const bool wanted = BlockWanted(group, now);
      samples.remove_prefix(group.conditioner->Add(member, samples, bits_per_byte, wanted));
      if (!wanted || !group.conditioner->Ready()) continue;
      if (absl::Status status = UseBlock(index, now); !status.ok()) {
        FailLocked(status.message());
      }
    }
    change = Evaluate(now);
    change.bytes_arrived =
        store_ != nullptr && stored < kNearlyEmptyBytes && store_->bytes() > stored;
  }
  Tell(change);
  return credited;
}

absl::Status EntropyPool::UseBlock(int group, int64_t now) {
  Group& g = groups_[group];
  absl::Status status = g.conditioner->Finish(block_.span());
  if (status.ok()) {
    if (SeedDue(g, now)) {
      status = root_->Seed(block_.span());
      ++published_.generation;
      published_.bytes_since_seed = 0;
      g.seeded_at = now;
      g.reseed_asked = false;
    } else {
      store_->Push(group, block_.span());
    }
  }
  Cleanse(block_.span());
  return status;
}

void EntropyPool::SetSourceState(int member, v1::SourceState state) {
  const bool failed = state == v1::SOURCE_STATE_QUARANTINED || state == v1::SOURCE_STATE_LATCHED;
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    members_[member].state = state;
    if (failed) {
      if (options_.members[member].min_entropy > 0) {
        DropGroup(members_[member].group);
      } else {
        root_->DropMixed();
      }
    }
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
  if (failed && wake_callback_) wake_callback_();
}

void EntropyPool::SetSourceRoot(int member, const std::string& root) {
  bool regrouped;
  std::string counts_with;
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    members_[member].root = root;
    regrouped = Regroup();
    counts_with = groups_[members_[member].group].name;
    change = Evaluate(clock_->NowNanos());
  }
  if (regrouped) {
    log_->Warning("pool.regrouped", {{"pool", name()},
                                     {"source", options_.members[member].source},
                                     {"root", root},
                                     {"counts_with_group", counts_with}});
  }
  Tell(change);
  if (regrouped && wake_callback_) wake_callback_();
}

bool EntropyPool::Regroup() {
  std::vector<Kin> kin;
  for (size_t i = 0; i < members_.size(); ++i) {
    // One without credit gives nothing that could count twice, and must move nobody.
    absl::string_view root;
    if (options_.members[i].min_entropy > 0) root = members_[i].root;
    kin.push_back({options_.members[i].group, root});
  }
  const std::vector<size_t> first = CountTogether(kin);
  bool changed = false;
  for (Group& group : groups_) group.credited = false;
  for (size_t i = 0; i < members_.size(); ++i) {
    const int group = members_[first[i]].home;
    const int left = std::exchange(members_[i].group, group);
    if (left != group) {
      changed = true;
      // What lies there may come from this member, which a failure of the group would not tell of.
      EmptyGroup(left);
    }
    groups_[group].credited |= options_.members[i].min_entropy > 0;
  }
  return changed;
}

void EntropyPool::EmptyGroup(int group) {
  groups_[group].conditioner->Reset();
  groups_[group].seeded_at = -1;
  if (store_ != nullptr) store_->DropGroup(group);
}

void EntropyPool::DropGroup(int group) {
  EmptyGroup(group);
  // The other groups give fresh seeds at once.
  for (Group& g : groups_) g.reseed_asked = true;
  const bool others =
      std::any_of(groups_.begin(), groups_.end(), [](const Group& g) { return g.seeded_at >= 0; });
  // A group that gave the seed may have been emptied since, by Regroup().
  if (!root_->seeded() || others) return;
  published_.ready_until = 0;
  ++published_.epoch;
  root_->Destroy();
}

void EntropyPool::FailLocked(absl::string_view reason) {
  if (!failure_.empty()) return;
  failure_ = reason.empty() ? "unknown" : std::string(reason);
  root_->Destroy();
}

void EntropyPool::Fail(absl::string_view reason) {
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    FailLocked(reason);
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
}

void EntropyPool::Tick() {
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
  series_->Refresh(Snapshot(), counters_);
}

v1::Pool EntropyPool::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  const int64_t now = clock_->NowNanos();
  const PoolStanding standing = Stand(now);
  v1::Pool pool;
  pool.set_name(name());
  pool.set_quality(quality());
  pool.set_ready(standing.state.ready());
  pool.set_degraded(standing.state.degraded());
  pool.set_reason(standing.state.Text());
  for (const Member& member : options_.members) pool.add_sources(member.source);
  pool.set_healthy_groups(standing.healthy_groups);
  pool.set_min_healthy_groups(options_.min_healthy_groups);
  if (store_ != nullptr) {
    pool.set_available_bytes(store_->bytes());
    pool.set_capacity_bytes(options_.capacity_bytes);
  }
  pool.set_seed_generation(standing.state.seed_generation);
  const int64_t newest = standing.state.seeded_at_nanos;
  pool.set_seed_age_seconds(newest < 0 ? std::numeric_limits<double>::infinity()
                                       : ToSeconds(now - newest));
  pool.set_delivered_bytes(counters_.delivered_bytes);
  pool.set_software_only(SoftwareOnly());
  return pool;
}

}  // namespace entropyd
