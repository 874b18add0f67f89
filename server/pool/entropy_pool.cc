#include "server/pool/entropy_pool.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace entropyd {
namespace {

// A full pool tells of new bytes while it holds less than a chunk of its classes or two: who found
// too little waits for exactly this.
constexpr size_t kNearlyEmptyBytes = 1024;

const char* StateName(v1::SourceState state) {
  switch (state) {
    case v1::SOURCE_STATE_HEALTHY:
      return "healthy";
    case v1::SOURCE_STATE_QUARANTINED:
      return "quarantined";
    case v1::SOURCE_STATE_LATCHED:
      return "latched";
    case v1::SOURCE_STATE_GONE:
      return "gone";
    default:
      return "starting";
  }
}

}  // namespace

struct EntropyPool::Series {
  Gauge* ready;
  Gauge* degraded;
  Gauge* software_only;
  Gauge* healthy_groups;
  Gauge* available_bytes;
  Gauge* capacity_bytes;
  Gauge* seed_age_seconds;
  Counter* seed_generation;
  Counter* reader_seeds;
  Counter* delivered_bytes;
  Counter* blocks_examined;
  Counter* blocks_passed;
  std::array<Counter*, BlockStatistic::kTests> blocks_failed;  // by test
};

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
    group->credited |= member.min_entropy > 0;
    group_of_.push_back(static_cast<int>(group - groups_.begin()));
  }
  software_only_ = std::all_of(options_.members.begin(), options_.members.end(),
                               [](const Member& m) { return m.software; });
  source_states_.assign(options_.members.size(), v1::SOURCE_STATE_STARTING);

  absl::StatusOr<std::unique_ptr<CtrDrbg>> root = CtrDrbg::Create(provider_);
  if (!root.ok()) return root.status();
  root_ = *std::move(root);
  absl::StatusOr<Sha512> mixed = Sha512::Create();
  if (!mixed.ok()) return mixed.status();
  mixed_ = std::make_unique<Sha512>(*std::move(mixed));
  absl::StatusOr<SecretBytes> block = arena->Allocate(Conditioner::kBlockBytes);
  if (!block.ok()) return block.status();
  block_ = *std::move(block);
  if (quality() == v1::QUALITY_FULL) {
    absl::StatusOr<BlockStore> store = BlockStore::Create(arena, options_.capacity_bytes);
    if (!store.ok()) return store.status();
    store_ = std::make_unique<BlockStore>(*std::move(store));
  }

  const Labels labels = {{"pool", name()}};
  const auto blocks = [&](const char* result) {
    return metrics->AddCounter("entropyd_pool_output_blocks_total",
                               "Output blocks examined, by result of the FIPS 140-2 statistics: "
                               "passed (all), or each test that failed; of ideal output 0.094 % "
                               "fail.",
                               {{"pool", name()}, {"result", result}});
  };
  metrics
      ->AddGauge("entropyd_pool_info", "1, labelled with the quality of what the pool gives.",
                 {{"pool", name()}, {"quality", quality() == v1::QUALITY_FULL ? "full" : "drbg"}})
      ->Set(1);
  series_ = std::make_unique<Series>(Series{
      metrics->AddGauge("entropyd_pool_ready", "1 while the pool gives bytes.", labels),
      metrics->AddGauge("entropyd_pool_degraded",
                        "1 while a group of sources is lost or all sources are software.", labels),
      metrics->AddGauge("entropyd_pool_software_only", "1 when no source is hardware.", labels),
      metrics->AddGauge("entropyd_pool_healthy_groups",
                        "Credited groups that have a healthy source.", labels),
      metrics->AddGauge("entropyd_pool_available_bytes", "Conditioned bytes stored (quality full).",
                        labels),
      metrics->AddGauge("entropyd_pool_capacity_bytes",
                        "Room for conditioned bytes (quality full).", labels),
      metrics->AddGauge("entropyd_pool_seed_age_seconds",
                        "Since the last seed; +Inf before the first.", labels),
      metrics->AddCounter("entropyd_pool_seed_generation", "Seeds of the root DRBG so far.",
                          labels),
      metrics->AddCounter("entropyd_pool_reader_seeds_total",
                          "Seeds that readers' DRBGs took from the root.", labels),
      metrics->AddCounter("entropyd_pool_delivered_bytes_total", "Bytes given to readers.", labels),
      metrics->AddCounter("entropyd_pool_output_blocks_examined_total",
                          "Blocks of 2,500 bytes of output examined, about one of 256.", labels),
      blocks("passed"),
      {},
  });
  for (size_t test = 0; test < BlockStatistic::kTests; ++test) {
    series_->blocks_failed[test] = blocks(BlockStatistic::kTestNames[test]);
  }
  series_->software_only->Set(software_only_);
  state_ = Stand(clock_->NowNanos()).state;
  if (software_only_) {
    log_->Warning("pool.software_only",
                  {{"pool", name()},
                   {"reason",
                    "no hardware source: its bytes are worth what the kernel's are, "
                    "no more; for tests and demonstrations"}});
  }
  return absl::OkStatus();
}

std::string EntropyPool::MissingSources() const {
  std::vector<std::string> missing;
  for (size_t i = 0; i < options_.members.size(); ++i) {
    if (options_.members[i].min_entropy == 0 || source_states_[i] == v1::SOURCE_STATE_HEALTHY)
      continue;
    missing.push_back(
        absl::StrCat(options_.members[i].source, " is ", StateName(source_states_[i])));
  }
  return absl::StrJoin(missing, ", ");
}

EntropyPool::Standing EntropyPool::Stand(int64_t now) const {
  Standing standing;
  PoolState& state = standing.state;
  state.seed_generation = generation_;
  state.discard_epoch = epoch_;
  uint32_t credited = 0;
  std::vector<int64_t> fresh_until;  // of the groups whose seed is fresh
  for (const Group& g : groups_) {
    state.seeded_at_nanos = std::max(state.seeded_at_nanos, g.seeded_at);
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (!groups_[g].credited) continue;
    ++credited;
    bool healthy = false;
    for (size_t i = 0; i < group_of_.size(); ++i) {
      healthy |= group_of_[i] == static_cast<int>(g) && options_.members[i].min_entropy > 0 &&
                 source_states_[i] == v1::SOURCE_STATE_HEALTHY;
    }
    standing.healthy_groups += healthy;
    const int64_t until = groups_[g].seeded_at + options_.max_seed_age_nanos;
    if (groups_[g].seeded_at >= 0 && now < until) fresh_until.push_back(until);
  }
  if (!failure_.empty()) {
    state.reason = failure_;
  } else if (fresh_until.size() < options_.min_healthy_groups) {
    const std::string missing = MissingSources();
    state.reason = absl::StrCat(fresh_until.size(), " of ", options_.min_healthy_groups,
                                " groups gave a fresh seed", missing.empty() ? "" : ": ", missing);
  } else if (bytes_since_seed_ >= options_.max_bytes_per_seed) {
    state.reason = absl::StrCat("no seed since ", bytes_since_seed_.load(), " bytes");
  } else if (store_ != nullptr && store_->bytes() == 0 && standing.healthy_groups == 0) {
    state.reason = absl::StrCat("no bytes stored: ", MissingSources());
  } else {
    // Ready for as long as the last of the groups needed is fresh.
    std::sort(fresh_until.begin(), fresh_until.end(), std::greater<>());
    standing.ready_until = fresh_until[options_.min_healthy_groups - 1];
    state.ready = true;
    state.degraded = standing.healthy_groups < credited || software_only_;
    if (standing.healthy_groups < credited) {
      state.reason = MissingSources();
    } else if (software_only_) {
      state.reason = "software sources only";
    }
  }
  return standing;
}

EntropyPool::Change EntropyPool::Evaluate(int64_t now) {
  const Standing standing = Stand(now);
  ready_until_ = standing.ready_until;
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
  if (before.ready && !after.ready) {
    log_->Error("pool.suspended", {{"pool", name()}, {"reason", after.reason}});
  } else if (!before.ready && after.ready) {
    log_->Info("pool.ready",
               {{"pool", name()}, {"degraded", after.degraded}, {"reason", after.reason}});
  } else if (before.degraded != after.degraded) {
    if (after.degraded) {
      log_->Warning("pool.degraded", {{"pool", name()}, {"reason", after.reason}});
    } else {
      log_->Info("pool.restored", {{"pool", name()}});
    }
  }
  const bool changed = before.ready != after.ready || before.degraded != after.degraded ||
                       before.reason != after.reason || before.discard_epoch != after.discard_epoch;
  if ((changed || change.bytes_arrived) && change_callback_) change_callback_();
}

PoolState EntropyPool::State() const {
  absl::MutexLock lock(&mutex_);
  return Stand(clock_->NowNanos()).state;
}

uint64_t EntropyPool::Available() const {
  if (clock_->NowNanos() >= ready_until_) return 0;
  if (quality() != v1::QUALITY_FULL) return std::numeric_limits<uint64_t>::max();
  absl::MutexLock lock(&mutex_);
  return store_->bytes();
}

bool EntropyPool::SeedDue(const Group& group, int64_t now) const {
  return group.reseed_asked || group.seeded_at < 0 ||
         now - group.seeded_at >= options_.reseed_interval_nanos ||
         bytes_since_seed_ >= kReseedBytes;
}

bool EntropyPool::BlockWanted(const Group& group, int64_t now) const {
  return SeedDue(group, now) || (store_ != nullptr && !store_->full());
}

bool EntropyPool::Wants(int member) {
  absl::MutexLock lock(&mutex_);
  return options_.members[member].min_entropy > 0 && failure_.empty() &&
         BlockWanted(groups_[group_of_[member]], clock_->NowNanos());
}

double EntropyPool::Add(int member, absl::Span<const uint8_t> samples) {
  const int64_t now = clock_->NowNanos();
  const double bits_per_byte = options_.members[member].min_entropy;
  const double credited = static_cast<double>(samples.size()) * bits_per_byte;
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    if (source_states_[member] != v1::SOURCE_STATE_HEALTHY || !failure_.empty()) return 0;
    if (bits_per_byte == 0) {
      mixed_->Update(samples);
      return 0;
    }
    const size_t stored = store_ == nullptr ? 0 : store_->bytes();
    Group& group = groups_[group_of_[member]];
    while (!samples.empty() && failure_.empty()) {
      const bool wanted = BlockWanted(group, now);
      samples.remove_prefix(group.conditioner->Add(member, samples, bits_per_byte, wanted));
      if (!wanted || !group.conditioner->Ready()) continue;
      if (absl::Status status = UseBlock(group_of_[member], now); !status.ok()) {
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
      status = SeedRoot(block_.span());
      g.seeded_at = now;
      g.reseed_asked = false;
    } else {
      store_->Push(group, block_.span());
    }
  }
  Cleanse(block_.span());
  return status;
}

absl::Status EntropyPool::SeedRoot(absl::Span<const uint8_t> block) {
  // 48 bytes are the seed. The rest of the block, and all that sources without credit gave, go in
  // as additional input, where they can help and cannot harm.
  const absl::Span<const uint8_t> seed = block.subspan(0, CtrDrbg::kSeedBytes);
  std::array<uint8_t, Sha512::kBytes> digest;
  mixed_->Update({reinterpret_cast<const uint8_t*>(name().data()), name().size()});
  mixed_->Update(block.subspan(CtrDrbg::kSeedBytes));
  absl::Status status = mixed_->Finish(absl::MakeSpan(digest));
  if (status.ok()) {
    const auto additional = absl::MakeConstSpan(digest).subspan(0, CtrDrbg::kMaxAdditionalBytes);
    status = root_->instantiated()
                 ? root_->Reseed(seed, additional)
                 : root_->Instantiate(
                       seed, {reinterpret_cast<const char*>(additional.data()), additional.size()});
  }
  Cleanse(absl::MakeSpan(digest));
  ++generation_;
  bytes_since_seed_ = 0;
  return status;
}

void EntropyPool::SetSourceState(int member, v1::SourceState state) {
  const bool failed = state == v1::SOURCE_STATE_QUARANTINED || state == v1::SOURCE_STATE_LATCHED;
  Change change;
  {
    absl::MutexLock lock(&mutex_);
    source_states_[member] = state;
    if (failed) {
      if (options_.members[member].min_entropy > 0) {
        DropGroup(group_of_[member]);
      } else {
        mixed_->Restart();
      }
    }
    change = Evaluate(clock_->NowNanos());
  }
  Tell(change);
  if (failed && wake_callback_) wake_callback_();
}

void EntropyPool::DropGroup(int group) {
  Group& failed = groups_[group];
  failed.conditioner->Reset();
  if (store_ != nullptr) store_->DropGroup(group);
  const bool rested_on_it = std::exchange(failed.seeded_at, -1) >= 0;
  // The others give fresh seeds at once.
  for (Group& g : groups_) g.reseed_asked = true;
  const bool others =
      std::any_of(groups_.begin(), groups_.end(), [](const Group& g) { return g.seeded_at >= 0; });
  if (!rested_on_it || others) return;
  ready_until_ = 0;
  ++epoch_;
  root_->Uninstantiate();
}

void EntropyPool::FailLocked(absl::string_view reason) {
  if (!failure_.empty()) return;
  failure_ = absl::StrCat("failed: ", reason);
  root_->Uninstantiate();
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
  const v1::Pool now = Snapshot();
  series_->ready->Set(now.ready());
  series_->degraded->Set(now.degraded());
  series_->healthy_groups->Set(now.healthy_groups());
  series_->available_bytes->Set(static_cast<double>(now.available_bytes()));
  series_->capacity_bytes->Set(static_cast<double>(now.capacity_bytes()));
  series_->seed_age_seconds->Set(now.seed_age_seconds());
  Metrics::SetCounter(series_->seed_generation, static_cast<double>(now.seed_generation()));
  Metrics::SetCounter(series_->reader_seeds, static_cast<double>(reader_seeds_));
  Metrics::SetCounter(series_->delivered_bytes, static_cast<double>(now.delivered_bytes()));
  Metrics::SetCounter(series_->blocks_examined, static_cast<double>(blocks_examined_));
  Metrics::SetCounter(series_->blocks_passed, static_cast<double>(blocks_passed_));
  for (size_t test = 0; test < BlockStatistic::kTests; ++test) {
    Metrics::SetCounter(series_->blocks_failed[test], static_cast<double>(blocks_failed_[test]));
  }
}

v1::Pool EntropyPool::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  const int64_t now = clock_->NowNanos();
  const Standing standing = Stand(now);
  v1::Pool pool;
  pool.set_name(name());
  pool.set_quality(quality());
  pool.set_ready(standing.state.ready);
  pool.set_degraded(standing.state.degraded);
  pool.set_reason(standing.state.reason);
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
                                       : static_cast<double>(now - newest) * 1e-9);
  pool.set_delivered_bytes(delivered_bytes_);
  pool.set_software_only(software_only_);
  return pool;
}

}  // namespace entropyd
