#include "server/pool/entropy_pool.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "server/driver/source_identity.h"
#include "server/pool/pool_log.h"

namespace entropyd {
namespace {

// A full pool reports new bytes while it holds less than one or two chunks of its classes. A
// claimant that found too little waits for this report.
constexpr size_t kNearlyEmptyBytes = 1024;

}  // namespace

EntropyPool::EntropyPool(Options options, const SeedProvider* provider, const Clock* clock,
                         Log* log)
    : name_(options.name),
      quality_(options.quality),
      provider_(provider),
      clock_(clock),
      log_(log),
      options_(std::move(options)) {
  published_.max_bytes_per_seed = options_.max_bytes_per_seed;
}

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
  std::vector<std::unique_ptr<Conditioner>> spare;
  const std::vector<Member> members = std::exchange(options_.members, {});
  if (absl::Status status = Conditioner::CreateSome(members.size(), &spare); !status.ok())
    return status;
  published_.reseed_interval = options_.reseed_interval_nanos;
  Enrol(members, &spare);
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

  if (metrics != nullptr) ShowIn(metrics);
  state_ = Stand(clock_->NowNanos()).state;
  if (SoftwareOnly()) LogSoftwareOnly(name(), log_);
  return absl::OkStatus();
}

void EntropyPool::ShowIn(Metrics* metrics) {
  series_ = std::make_unique<PoolSeries>(name(), quality(), metrics);
}

bool EntropyPool::SoftwareOnly() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const MemberState& m) { return !m.present || m.config.software; });
}

absl::StatusOr<EntropyPool::Change> EntropyPool::Prepare(Options options,
                                                         SecretArena* arena) const {
  Change change{std::move(options)};
  absl::Status made = Conditioner::CreateSome(change.options.members.size(), &change.conditioners);
  if (!made.ok()) return made;
  if (quality() == v1::QUALITY_FULL) {
    absl::MutexLock lock(&mutex_);
    if (change.options.capacity_bytes != options_.capacity_bytes) {
      absl::StatusOr<BlockStore> store = BlockStore::Create(arena, change.options.capacity_bytes);
      if (!store.ok()) return store.status();
      change.store = std::make_unique<BlockStore>(*std::move(store));
    }
  }
  return change;
}

std::vector<int> EntropyPool::Apply(Change change) {
  std::vector<int> numbers;
  Told told;
  bool software_only_now;
  {
    absl::MutexLock lock(&mutex_);
    const bool software_only = SoftwareOnly();
    const std::vector<Member> members = std::exchange(change.options.members, {});
    options_ = std::move(change.options);
    published_.reseed_interval = options_.reseed_interval_nanos;
    std::vector<bool> credited;
    for (const Group& group : groups_) credited.push_back(group.credited);
    numbers = Enrol(members, &change.conditioners);
    Regroup();
    for (size_t g = 0; g < credited.size(); ++g) {
      if (!credited[g] || groups_[g].credited) continue;
      EmptyGroup(static_cast<int>(g));
      groups_[g].in_root = false;  // nothing has failed, and nobody is left who might
      // The others give fresh seeds at once.
      for (Group& other : groups_) other.reseed_asked = true;
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      const auto is_in = [g](const MemberState& m) {
        return m.present && (m.home == static_cast<int>(g) || m.group == static_cast<int>(g));
      };
      if (!std::any_of(members_.begin(), members_.end(), is_in)) groups_[g].name.clear();
    }
    if (change.store != nullptr) {
      change.store->TakeFrom(store_.get());
      std::swap(store_, change.store);
    }
    software_only_now = SoftwareOnly() && !software_only;
    told = Evaluate(clock_->NowNanos());
  }
  if (software_only_now) LogSoftwareOnly(name(), log_);
  Tell(told);
  if (wake_callback_) wake_callback_();
  return numbers;
}

int EntropyPool::GroupOf(const std::string& group,
                         std::vector<std::unique_ptr<Conditioner>>* spare) {
  auto found = std::find_if(groups_.begin(), groups_.end(),
                            [&group](const Group& g) { return g.name == group; });
  if (found == groups_.end()) {
    found =
        std::find_if(groups_.begin(), groups_.end(), [](const Group& g) { return g.name.empty(); });
    if (found == groups_.end()) found = groups_.insert(found, Group());
    *found = {.name = group, .conditioner = std::move(spare->back())};
    spare->pop_back();
  }
  return static_cast<int>(found - groups_.begin());
}

void EntropyPool::RenameGroups(const std::vector<Member>& members,
                               const std::vector<int>& numbers) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    std::set<std::string> names;
    for (size_t i = 0; i < members.size(); ++i) {
      const bool is_in = numbers[i] >= 0 && members_[numbers[i]].home == static_cast<int>(g);
      if (is_in) names.insert(members[i].group);
    }
    const auto taken = [&names](const Group& group) { return names.count(group.name) > 0; };
    if (names.size() != 1 || std::any_of(groups_.begin(), groups_.end(), taken)) continue;
    groups_[g].name = *names.begin();
  }
}

std::vector<int> EntropyPool::Enrol(const std::vector<Member>& members,
                                    std::vector<std::unique_ptr<Conditioner>>* spare) {
  std::vector<int> numbers(members.size(), -1);
  std::vector<bool> stays(members_.size(), false);
  for (size_t i = 0; i < members.size(); ++i) {
    for (size_t j = 0; j < members_.size() && !members[i].is_new; ++j) {
      if (!members_[j].present || members_[j].config.source != members[i].source) continue;
      numbers[i] = static_cast<int>(j);
      stays[j] = true;
    }
  }
  // A source with other keys reads the same device: if it fails, what it gave before is void.
  std::map<std::string, MemberState> before;
  for (size_t j = 0; j < members_.size(); ++j) {
    if (stays[j] || !members_[j].present) continue;
    before.emplace(members_[j].config.source, members_[j]);
    members_[j].present = false;
    // Its number may be another member's soon, and must not bring bits along.
    groups_[members_[j].group].conditioner->Reset();
  }
  RenameGroups(members, numbers);
  for (size_t i = 0; i < members.size(); ++i) {
    const int home = GroupOf(members[i].group, spare);
    if (numbers[i] >= 0) {
      members_[numbers[i]].config = members[i];
      members_[numbers[i]].home = home;
      continue;
    }
    auto place = std::find_if(members_.begin(), members_.end(),
                              [](const MemberState& m) { return !m.present; });
    if (place == members_.end()) place = members_.insert(place, MemberState());
    *place = {.config = members[i], .home = home, .group = home, .root = members[i].root};
    const auto same = before.find(members[i].source);
    place->gave = same != before.end() && same->second.gave && same->second.home == home;
    numbers[i] = static_cast<int>(place - members_.begin());
  }
  return numbers;
}

PoolStanding EntropyPool::Stand(int64_t now) const {
  PoolFacts facts;
  for (const Group& group : groups_) {
    facts.groups.push_back({.credited = group.credited, .seeded_at_nanos = group.seeded_at});
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    if (!Credited(static_cast<int>(i))) continue;
    if (members_[i].state == v1::SOURCE_STATE_HEALTHY) {
      facts.groups[members_[i].group].healthy = true;
    } else {
      facts.missing.push_back({members_[i].config.source, members_[i].state});
    }
  }
  facts.min_healthy_groups = options_.min_healthy_groups;
  facts.max_seed_age_nanos = options_.max_seed_age_nanos;
  facts.bytes_since_seed = published_.bytes_since_seed;
  facts.max_bytes_per_seed = published_.max_bytes_per_seed;
  facts.stores = store_ != nullptr;
  facts.stored_bytes = store_ == nullptr ? 0 : store_->bytes();
  facts.software_only = SoftwareOnly();
  facts.failure = failure_;
  facts.seed_generation = published_.generation;
  facts.discard_epoch = published_.epoch;
  return StandingOf(facts, now);
}

EntropyPool::Told EntropyPool::Evaluate(int64_t now) {
  const PoolStanding standing = Stand(now);
  published_.ready_until = standing.ready_until_nanos;
  Told change;
  change.before = std::exchange(state_, standing.state);
  change.after = state_;
  return change;
}

void EntropyPool::Tell(const Told& change) {
  LogPoolChange(name(), change.before, change.after, log_);
  const bool changed = change.before.discard_epoch != change.after.discard_epoch ||
                       !change.before.LooksLike(change.after);
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
  return Credited(member) && failure_.empty() &&
         BlockWanted(groups_[members_[member].group], clock_->NowNanos());
}

double EntropyPool::Add(int member, absl::Span<const uint8_t> samples) {
  const int64_t now = clock_->NowNanos();
  double credited;
  Told change;
  {
    absl::MutexLock lock(&mutex_);
    const double bits_per_byte = members_[member].config.min_entropy;
    credited = static_cast<double>(samples.size()) * bits_per_byte;
    if (members_[member].state != v1::SOURCE_STATE_HEALTHY || !failure_.empty()) return 0;
    if (bits_per_byte == 0) {
      root_->Mix(samples);
      return 0;
    }
    members_[member].gave = true;
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
      g.in_root = true;
    } else {
      store_->Push(group, block_.span());
    }
  }
  Wipe(block_.span());
  return status;
}

void EntropyPool::SetSourceState(int member, v1::SourceState state) {
  const bool failed = state == v1::SOURCE_STATE_QUARANTINED || state == v1::SOURCE_STATE_LATCHED;
  Told change;
  {
    absl::MutexLock lock(&mutex_);
    members_[member].state = state;
    if (failed && !Credited(member)) root_->DropMixed();
    if (failed && members_[member].gave) DropGroup(members_[member].group);
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
  if (failed && wake_callback_) wake_callback_();
}

void EntropyPool::SetSourceRoot(int member, const std::string& root) {
  bool regrouped;
  std::string source;
  std::string counts_with;
  Told change;
  {
    absl::MutexLock lock(&mutex_);
    members_[member].root = root;
    source = members_[member].config.source;
    regrouped = Regroup();
    counts_with = groups_[members_[member].group].name;
    change = Evaluate(clock_->NowNanos());
  }
  if (regrouped) {
    LogRegrouped(name(), source, root, counts_with, log_);
  }
  Tell(change);
  if (regrouped && wake_callback_) wake_callback_();
}

bool EntropyPool::Regroup() {
  std::vector<int> present;
  std::vector<Kin> kin;
  for (size_t i = 0; i < members_.size(); ++i) {
    if (!members_[i].present) continue;
    // One without credit gives nothing that could count twice, and must move nobody.
    absl::string_view root;
    if (Credited(static_cast<int>(i))) root = members_[i].root;
    present.push_back(static_cast<int>(i));
    kin.push_back({members_[i].config.group, root});
  }
  const std::vector<size_t> first = CountTogether(kin);
  bool changed = false;
  for (Group& group : groups_) group.credited = false;
  for (size_t i = 0; i < present.size(); ++i) {
    const int group = members_[present[first[i]]].home;
    const int left = std::exchange(members_[present[i]].group, group);
    if (left != group) {
      changed = true;
      // What lies there may come from this member, which a failure of the group would not tell of.
      EmptyGroup(left);
      groups_[group].in_root |= groups_[left].in_root;
    }
    groups_[group].credited |= Credited(present[i]);
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
  for (MemberState& member : members_) member.gave &= member.group != group;
  // The other groups give fresh seeds at once.
  for (Group& g : groups_) g.reseed_asked = true;
  const bool others =
      std::any_of(groups_.begin(), groups_.end(), [](const Group& g) { return g.seeded_at >= 0; });
  if (!std::exchange(groups_[group].in_root, false) || others) return;
  published_.ready_until = 0;
  ++published_.epoch;
  root_->Destroy();
  for (Group& g : groups_) g.in_root = false;
}

std::unique_ptr<PoolReader> EntropyPool::NewReader() {
  absl::StatusOr<std::unique_ptr<CtrDrbg>> child = CtrDrbg::Create(provider_);
  DrbgReader::Host* const host = this;
  return std::make_unique<DrbgReader>(this, host, clock_, child.ok() ? *std::move(child) : nullptr,
                                      ++counters_.readers);
}

absl::StatusOr<uint64_t> EntropyPool::DrawSeed(absl::Span<uint8_t> seed,
                                               absl::Span<const uint8_t> fresh) {
  ++counters_.reader_seeds;
  absl::MutexLock lock(&mutex_);
  if (!root_->seeded()) {
    return absl::UnavailableError(absl::StrCat("read pool ", name(), ": no seed"));
  }
  if (absl::Status drawn = root_->Generate(seed, fresh); !drawn.ok()) return drawn;
  return published_.generation;
}

absl::Status EntropyPool::TakeStored(absl::Span<uint8_t> out) {
  bool was_full;
  {
    absl::MutexLock lock(&mutex_);
    if (store_->bytes() < out.size()) {
      return absl::UnavailableError(absl::StrCat("read pool ", name(), ": ", store_->bytes(),
                                                 " bytes stored, ", out.size(), " asked for"));
    }
    was_full = store_->full();
    store_->XorOut(out);
  }
  if (was_full && wake_callback_) wake_callback_();
  return absl::OkStatus();
}

void EntropyPool::CountDelivered(size_t bytes, const BlockStatistic::Tally& examined) {
  counters_.Count(examined);
  counters_.delivered_bytes += bytes;
  const uint64_t before = published_.bytes_since_seed.fetch_add(bytes);
  if (before < kReseedBytes && before + bytes >= kReseedBytes && wake_callback_) wake_callback_();
}

void EntropyPool::FailLocked(absl::string_view reason) {
  if (!failure_.empty()) return;
  failure_ = reason.empty() ? "unknown" : std::string(reason);
  root_->Destroy();
}

void EntropyPool::Fail(absl::string_view reason) {
  Told change;
  {
    absl::MutexLock lock(&mutex_);
    FailLocked(reason);
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
}

void EntropyPool::Tick() {
  Told change;
  {
    absl::MutexLock lock(&mutex_);
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
  if (series_ != nullptr) series_->Refresh(Snapshot(), counters_);
}

v1::Pool EntropyPool::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  const int64_t now = clock_->NowNanos();
  const PoolStanding standing = Stand(now);
  v1::Pool pool;
  pool.set_name(name());
  pool.set_quality(quality());
  Describe(standing, &pool);
  for (const MemberState& member : members_) {
    if (member.present) pool.add_sources(member.config.source);
  }
  pool.set_min_healthy_groups(options_.min_healthy_groups);
  if (store_ != nullptr) {
    pool.set_available_bytes(store_->bytes());
    pool.set_capacity_bytes(options_.capacity_bytes);
  }
  const int64_t newest = standing.state.seeded_at_nanos;
  pool.set_seed_age_seconds(newest < 0 ? std::numeric_limits<double>::infinity()
                                       : ToSeconds(now - newest));
  pool.set_delivered_bytes(counters_.delivered_bytes);
  pool.set_software_only(SoftwareOnly());
  return pool;
}

}  // namespace entropyd
