#include "server/supply.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/known_answers.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source_metrics.h"
#include "server/source/source_thread.h"
#include "server/supply_config.h"

namespace entropyd {
namespace {

// A pool may notice so late that its seed is too old, and a metric may be so old.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// The memory of a pool, besides its stored bytes: the block that it works on.
constexpr size_t kPoolBytes = 16 << 10;

// The self-tests run again after this time, so that a fault of the processor or its memory shows
// before the next start.
constexpr int64_t kSelfTestNanos = 10 * kMinuteNanos;

// The threads that a pool wakes. Sources come and go while it does.
class WakeList {
 public:
  void Set(std::vector<std::shared_ptr<SourceThread>> threads) {
    absl::MutexLock lock(&mutex_);
    threads_.swap(threads);
  }
  void Wake() {
    absl::MutexLock lock(&mutex_);
    for (const auto& thread : threads_) thread->Wake();
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::shared_ptr<SourceThread>> threads_ ABSL_GUARDED_BY(mutex_);
};

struct SourceEntry {
  config::v1::SourceConfig config;
  SourceSpec spec;
  // Whoever asks something of a source holds it meanwhile.
  std::shared_ptr<SourceThread> thread = nullptr;
  std::unique_ptr<SourceMetrics> metrics = nullptr;
};

struct PoolEntry {
  // Null for the memory that the server was started with.
  std::shared_ptr<SecretArena> arena;
  std::shared_ptr<SecretArena> store_arena;
  std::shared_ptr<WakeList> wakes;
  std::unique_ptr<EntropyPool> pool;
  // The sources that feed it, and their member numbers.
  std::map<std::string, int> members;
};

struct PreparedPool {
  std::string name;
  // False: the one that runs stays, and takes `change`.
  bool is_new = true;
  PoolEntry made = {};
  // For another capacity. It outlives what is made from it.
  std::shared_ptr<SecretArena> store_arena = nullptr;
  EntropyPool::Change change = {};
  // The sources that feed it, in the order of their members.
  std::vector<std::string> sources = {};
};

class PreparedChange final : public SupplyChange {
 public:
  Pool* NewPool(const std::string& name) const override {
    for (const PreparedPool& one : made_pools) {
      if (one.name == name) return one.made.pool.get();
    }
    return nullptr;
  }

  // In the order of the configuration. Without a thread: the one that runs stays.
  std::vector<SourceEntry> made_sources;
  std::vector<PreparedPool> made_pools;
  std::vector<std::string> warnings;
};

// Whether a source that runs may go on under the new configuration. Its root does not matter: the
// path of a device that is away leads to no root, and the source tells which one it has opened.
bool SameSource(const SourceEntry& running, const config::v1::SourceConfig& config,
                const SourceSpec& spec) {
  return google::protobuf::util::MessageDifferencer::Equals(running.config, config) &&
         running.spec.identity.nature == spec.identity.nature &&
         running.spec.identity.claims == spec.identity.claims;
}

std::vector<std::string> SourcesOf(const EntropyPool::Options& options) {
  std::vector<std::string> names;
  for (const EntropyPool::Member& member : options.members) names.push_back(member.source);
  return names;
}

class SupplyImpl final : public Supply {
 public:
  SupplyImpl(std::unique_ptr<SeedProvider> provider, SecretArena* arena,
             SecretArena::Locking locking, const Clock* clock, Log* log, Metrics* metrics)
      : provider_(std::move(provider)),
        arena_(arena),
        locking_(locking),
        clock_(clock),
        log_(log),
        metrics_(metrics),
        next_self_test_(clock->NowNanos() + kSelfTestNanos) {}
  ~SupplyImpl() override { Stop(); }

  absl::Status Build(const config::v1::Server& config, SupplyPlan plan);

  void Start() override;
  void Stop() override;
  absl::StatusOr<std::unique_ptr<SupplyChange>> Prepare(
      const config::v1::Server& config, const config::Locations& locations) override;
  void Apply(std::unique_ptr<SupplyChange> change) override;
  std::vector<Pool*> pools() const override;
  Pool* FindPool(const std::string& name) const override;
  void TestSource(const std::string& name, bool reset, Source::TestDone done) override;
  absl::Status RecordSource(const std::string& name,
                            std::shared_ptr<SampleRecording> recording) override;
  absl::StatusOr<std::vector<std::string>> SelfTest() override;
  std::vector<v1::Source> ListSources() const override;
  std::vector<v1::Pool> ListPools() const override;

 private:
  // `arena` belongs to the source, or is null: then it gets its memory from that of the start.
  absl::StatusOr<SourceEntry> BuildSource(const config::v1::SourceConfig& config,
                                          const SourcePlan& plan,
                                          const std::shared_ptr<SecretArena>& arena) const;
  absl::StatusOr<PoolEntry> BuildPool(EntropyPool::Options options,
                                      std::shared_ptr<SecretArena> arena) const;
  absl::StatusOr<std::shared_ptr<SecretArena>> MoreMemory(size_t bytes) const;
  absl::Status PrepareSources(const config::v1::Server& config, const SupplyPlan& plan,
                              PreparedChange* change);
  absl::Status PreparePools(SupplyPlan plan, PreparedChange* change);
  SourceEntry* FindEntry(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PoolEntry* FindPoolEntry(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The source's sinks among the pools as they are now.
  std::vector<Source::Sink> SinksOf(const std::string& source) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopSources(const std::vector<std::string>& names);
  // Takes the pools over. Their sources do not call those that go, and not yet those that come.
  void TakePools(std::vector<PreparedPool> pools) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The pool gets bytes from these sources, which have the member numbers of their order.
  void Connect(PoolEntry* pool, const std::vector<std::string>& sources,
               const std::vector<int>& numbers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<SourceThread>> FindSource(const std::string& name) const;
  void RunTicks();
  void Tick();

  const std::unique_ptr<SeedProvider> provider_;
  SecretArena* const arena_;
  const SecretArena::Locking locking_;
  const Clock* const clock_;
  Log* const log_;
  Metrics* const metrics_;
  int64_t next_self_test_;
  absl::Mutex self_test_mutex_;  // one at a time: the arena has room for one
  std::thread ticker_;

  // Taken before the locks of sources and pools. No callback of theirs takes it.
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<PoolEntry> pools_ ABSL_GUARDED_BY(mutex_);
  std::vector<SourceEntry> sources_ ABSL_GUARDED_BY(mutex_);  // stopped before the pools go
  std::vector<std::string> warnings_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<SourceEntry> SupplyImpl::BuildSource(
    const config::v1::SourceConfig& config, const SourcePlan& plan,
    const std::shared_ptr<SecretArena>& arena) const {
  const SourceClaims& claims = plan.spec.identity.claims;
  SecretArena* const memory = arena == nullptr ? arena_ : arena.get();
  absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes}, memory);
  if (!test.ok()) return test.status();
  absl::StatusOr<SecretBytes> held = memory->Allocate(Source::HeldBytes(*test));
  if (!held.ok()) return held.status();
  auto source = std::make_unique<Source>(plan.spec, plan.driver->create(config, plan.spec.identity),
                                         *std::move(test), *std::move(held), clock_, log_);
  SourceEntry entry{config, plan.spec};
  // The memory goes after the source.
  entry.thread = std::shared_ptr<SourceThread>(new SourceThread(std::move(source)),
                                               [arena](SourceThread* thread) { delete thread; });
  return entry;
}

absl::StatusOr<PoolEntry> SupplyImpl::BuildPool(EntropyPool::Options options,
                                                std::shared_ptr<SecretArena> arena) const {
  absl::StatusOr<std::unique_ptr<EntropyPool>> pool =
      EntropyPool::Create(std::move(options), provider_.get(),
                          arena == nullptr ? arena_ : arena.get(), clock_, log_, nullptr);
  if (!pool.ok()) return pool.status();
  PoolEntry entry;
  entry.arena = std::move(arena);
  entry.wakes = std::make_shared<WakeList>();
  entry.pool = *std::move(pool);
  entry.pool->SetWakeCallback([wakes = entry.wakes] { wakes->Wake(); });
  return entry;
}

absl::Status SupplyImpl::Build(const config::v1::Server& config, SupplyPlan plan) {
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < plan.sources.size(); ++i) {
    absl::StatusOr<SourceEntry> entry =
        BuildSource(config.sources(static_cast<int>(i)), plan.sources[i], nullptr);
    if (!entry.ok()) return entry.status();
    sources_.push_back(*std::move(entry));
  }
  std::vector<PreparedPool> pools;
  for (EntropyPool::Options& options : plan.pools) {
    PreparedPool one{.name = options.name, .sources = SourcesOf(options)};
    absl::StatusOr<PoolEntry> entry = BuildPool(std::move(options), nullptr);
    if (!entry.ok()) return entry.status();
    one.made = *std::move(entry);
    pools.push_back(std::move(one));
  }
  TakePools(std::move(pools));
  for (SourceEntry& entry : sources_) {
    for (const Source::Sink& sink : SinksOf(entry.spec.name)) {
      entry.thread->source()->AddSink(sink.sink, sink.member);
    }
    entry.metrics = std::make_unique<SourceMetrics>(entry.thread->source(), metrics_);
  }
  warnings_ = std::move(plan.warnings);
  return absl::OkStatus();
}

void SupplyImpl::Start() {
  absl::MutexLock lock(&mutex_);
  started_ = true;
  for (const SourceEntry& source : sources_) source.thread->Start();
  ticker_ = std::thread([this] { RunTicks(); });
}

void SupplyImpl::Stop() {
  std::vector<std::shared_ptr<SourceThread>> threads;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
    for (const SourceEntry& source : sources_) threads.push_back(source.thread);
  }
  for (const auto& thread : threads) thread->Stop();
  if (ticker_.joinable()) ticker_.join();
}

void SupplyImpl::RunTicks() {
  while (true) {
    Tick();
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kTick)) return;
  }
}

void SupplyImpl::Tick() {
  if (clock_->NowNanos() >= next_self_test_) {
    next_self_test_ = clock_->NowNanos() + kSelfTestNanos;
    (void)SelfTest();  // a failure stops the pools, which say so
  }
  absl::MutexLock lock(&mutex_);
  for (const PoolEntry& entry : pools_) entry.pool->Tick();
  for (const SourceEntry& entry : sources_) entry.metrics->Refresh();
}

// A new configuration -------------------------------------------------------------------------

absl::StatusOr<std::shared_ptr<SecretArena>> SupplyImpl::MoreMemory(size_t bytes) const {
  absl::StatusOr<std::unique_ptr<SecretArena>> arena = SecretArena::Create(bytes, locking_);
  if (!arena.ok()) return arena.status();
  return std::shared_ptr<SecretArena>(*std::move(arena));
}

absl::StatusOr<std::unique_ptr<SupplyChange>> SupplyImpl::Prepare(
    const config::v1::Server& config, const config::Locations& locations) {
  absl::StatusOr<SupplyPlan> plan = PlanSupply(config, locations);
  if (!plan.ok()) return plan.status();
  auto change = std::make_unique<PreparedChange>();
  change->warnings = plan->warnings;
  absl::Status prepared = PrepareSources(config, *plan, change.get());
  if (prepared.ok()) prepared = PreparePools(*std::move(plan), change.get());
  // As at a start, a pool begins with a generator that works.
  if (prepared.ok() && !change->pools.added.empty()) prepared = SelfTest().status();
  if (!prepared.ok()) return prepared;
  return change;
}

absl::Status SupplyImpl::PrepareSources(const config::v1::Server& config, const SupplyPlan& plan,
                                        PreparedChange* change) {
  absl::MutexLock lock(&mutex_);
  for (const SourcePlan& source : plan.sources) {
    const config::v1::SourceConfig& wanted = config.sources(source.index);
    const SourceEntry* const running = FindEntry(wanted.name());
    if (running != nullptr && SameSource(*running, wanted, source.spec)) {
      change->made_sources.push_back({wanted, source.spec});
      continue;
    }
    absl::StatusOr<std::shared_ptr<SecretArena>> arena = MoreMemory(kSourceBytes);
    if (!arena.ok()) return arena.status();
    absl::StatusOr<SourceEntry> made = BuildSource(wanted, source, *arena);
    if (!made.ok()) return made.status();
    change->made_sources.push_back(*std::move(made));
    (running == nullptr ? change->sources.added : change->sources.changed).push_back(wanted.name());
  }
  for (const SourceEntry& running : sources_) {
    const bool stays = absl::c_any_of(change->made_sources, [&running](const SourceEntry& one) {
      return one.spec.name == running.spec.name;
    });
    if (!stays) change->sources.removed.push_back(running.spec.name);
  }
  return absl::OkStatus();
}

absl::Status SupplyImpl::PreparePools(SupplyPlan plan, PreparedChange* change) {
  absl::MutexLock lock(&mutex_);
  for (EntropyPool::Options& options : plan.pools) {
    PreparedPool one{.name = options.name, .sources = SourcesOf(options)};
    for (EntropyPool::Member& member : options.members) {
      member.is_new = absl::c_linear_search(change->sources.changed, member.source);
    }
    const bool stores = options.quality == v1::QUALITY_FULL;
    const size_t bytes = 2 * (stores ? options.capacity_bytes : 0) + kPoolBytes;
    const PoolEntry* const running = FindPoolEntry(options.name);
    if (running != nullptr && running->pool->quality() == options.quality) {
      one.is_new = false;
      if (stores && running->pool->Snapshot().capacity_bytes() != options.capacity_bytes) {
        absl::StatusOr<std::shared_ptr<SecretArena>> arena = MoreMemory(bytes);
        if (!arena.ok()) return arena.status();
        one.store_arena = *std::move(arena);
      }
      absl::StatusOr<EntropyPool::Change> taken =
          running->pool->Prepare(std::move(options), one.store_arena.get());
      if (!taken.ok()) return taken.status();
      one.change = *std::move(taken);
    } else {
      absl::StatusOr<std::shared_ptr<SecretArena>> arena = MoreMemory(bytes);
      if (!arena.ok()) return arena.status();
      absl::StatusOr<PoolEntry> made = BuildPool(std::move(options), *std::move(arena));
      if (!made.ok()) return made.status();
      one.made = *std::move(made);
      change->pools.added.push_back(one.name);
    }
    change->made_pools.push_back(std::move(one));
  }
  for (const PoolEntry& running : pools_) {
    const std::string& name = running.pool->name();
    const bool stays = absl::c_any_of(change->made_pools, [&name](const PreparedPool& one) {
      return one.name == name && !one.is_new;
    });
    if (!stays) change->pools.removed.push_back(name);
  }
  return absl::OkStatus();
}

void SupplyImpl::StopSources(const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<SourceThread>> threads;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& name : names) threads.push_back(FindEntry(name)->thread);
  }
  for (const auto& thread : threads) thread->Stop();
}

void SupplyImpl::Apply(std::unique_ptr<SupplyChange> prepared) {
  auto* const change = static_cast<PreparedChange*>(prepared.get());
  StopSources(change->sources.removed);
  StopSources(change->sources.changed);
  absl::MutexLock lock(&mutex_);
  for (const std::string& warning : change->warnings) {
    if (absl::c_linear_search(warnings_, warning)) continue;
    log_->Warning("config.warning", {{"reason", warning}});
  }
  warnings_ = std::move(change->warnings);
  std::vector<SourceEntry> sources;
  std::vector<SourceThread*> begin;
  for (SourceEntry& made : change->made_sources) {
    if (made.thread == nullptr) {
      SourceEntry* const running = FindEntry(made.spec.name);
      made.thread = std::move(running->thread);
      made.metrics = std::move(running->metrics);
    } else {
      begin.push_back(made.thread.get());
    }
    sources.push_back(std::move(made));
  }
  sources_ = std::move(sources);  // ends the series of those that go
  TakePools(std::move(change->made_pools));
  for (SourceEntry& entry : sources_) {
    entry.thread->source()->SetSinks(SinksOf(entry.spec.name));
    if (entry.metrics != nullptr) {
      entry.thread->Wake();  // to tell new sinks
      continue;
    }
    entry.metrics = std::make_unique<SourceMetrics>(entry.thread->source(), metrics_);
  }
  if (!started_) return;
  for (SourceThread* thread : begin) thread->Start();
}

void SupplyImpl::TakePools(std::vector<PreparedPool> pools) {
  std::vector<PoolEntry> before = std::move(pools_);
  pools_.clear();
  std::vector<PoolEntry> taken;
  for (PreparedPool& one : pools) {
    if (one.is_new) {
      taken.push_back(std::move(one.made));
      continue;
    }
    const auto running = absl::c_find_if(before, [&one](const PoolEntry& entry) {
      return entry.pool != nullptr && entry.pool->name() == one.name;
    });
    taken.push_back(std::move(*running));
    // A source that is no member any more stops to call it.
    std::map<std::string, int>& members = taken.back().members;
    for (auto it = members.begin(); it != members.end();) {
      it = absl::c_linear_search(one.sources, it->first) ? std::next(it) : members.erase(it);
    }
  }
  pools_ = std::move(taken);
  for (const SourceEntry& entry : sources_) {
    entry.thread->source()->SetSinks(SinksOf(entry.spec.name));
  }
  before.clear();  // and with them their series
  for (size_t i = 0; i < pools.size(); ++i) {
    PoolEntry& entry = pools_[i];
    std::vector<int> numbers(pools[i].sources.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    if (pools[i].is_new) {
      entry.pool->ShowIn(metrics_);
    } else {
      const bool new_store = pools[i].change.store != nullptr;
      numbers = entry.pool->Apply(std::move(pools[i].change));
      if (new_store) entry.store_arena = std::move(pools[i].store_arena);
    }
    Connect(&entry, pools[i].sources, numbers);
  }
}

void SupplyImpl::Connect(PoolEntry* pool, const std::vector<std::string>& sources,
                         const std::vector<int>& numbers) {
  std::vector<std::shared_ptr<SourceThread>> threads;
  pool->members.clear();
  for (size_t i = 0; i < sources.size(); ++i) {
    pool->members[sources[i]] = numbers[i];
    threads.push_back(FindEntry(sources[i])->thread);
  }
  pool->wakes->Set(std::move(threads));
}

std::vector<Source::Sink> SupplyImpl::SinksOf(const std::string& source) const {
  std::vector<Source::Sink> sinks;
  for (const PoolEntry& entry : pools_) {
    const auto member = entry.members.find(source);
    if (member != entry.members.end()) sinks.push_back({entry.pool.get(), member->second});
  }
  return sinks;
}

SourceEntry* SupplyImpl::FindEntry(absl::string_view name) {
  const auto found = absl::c_find_if(
      sources_, [name](const SourceEntry& entry) { return entry.spec.name == name; });
  return found == sources_.end() ? nullptr : &*found;
}

PoolEntry* SupplyImpl::FindPoolEntry(absl::string_view name) {
  const auto found = absl::c_find_if(
      pools_, [name](const PoolEntry& entry) { return entry.pool->name() == name; });
  return found == pools_.end() ? nullptr : &*found;
}

// Questions -----------------------------------------------------------------------------------

std::vector<Pool*> SupplyImpl::pools() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Pool*> pools;
  for (const PoolEntry& entry : pools_) pools.push_back(entry.pool.get());
  return pools;
}

Pool* SupplyImpl::FindPool(const std::string& name) const {
  for (Pool* pool : pools()) {
    if (pool->name() == name) return pool;
  }
  return nullptr;
}

absl::StatusOr<std::vector<std::string>> SupplyImpl::SelfTest() {
  absl::MutexLock lock(&self_test_mutex_);
  absl::StatusOr<std::vector<std::string>> passed = RunSelfTests(provider_.get(), arena_);
  if (!passed.ok()) {
    log_->Error("self_test.failed", {{"reason", passed.status().message()}});
    absl::MutexLock pools_lock(&mutex_);
    for (const PoolEntry& entry : pools_) entry.pool->Fail(passed.status().message());
  }
  return passed;
}

absl::StatusOr<std::shared_ptr<SourceThread>> SupplyImpl::FindSource(
    const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  for (const SourceEntry& source : sources_) {
    if (source.spec.name == name) return source.thread;
  }
  return absl::NotFoundError(
      absl::StrCat("no source ", Excerpt(name), " is configured; there are ",
                   absl::StrJoin(sources_, ", ", [](std::string* out, const SourceEntry& source) {
                     absl::StrAppend(out, source.spec.name);
                   })));
}

void SupplyImpl::TestSource(const std::string& name, bool reset, Source::TestDone done) {
  const absl::StatusOr<std::shared_ptr<SourceThread>> found = FindSource(name);
  if (!found.ok()) {
    done(found.status());
    return;
  }
  (*found)->source()->Test(reset, std::move(done));
  (*found)->Wake();
}

absl::Status SupplyImpl::RecordSource(const std::string& name,
                                      std::shared_ptr<SampleRecording> recording) {
  const absl::StatusOr<std::shared_ptr<SourceThread>> found = FindSource(name);
  if (!found.ok()) return found.status();
  absl::Status status = (*found)->source()->Record(std::move(recording));
  (*found)->Wake();
  return status;
}

std::vector<v1::Source> SupplyImpl::ListSources() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::Source> list;
  for (const SourceEntry& entry : sources_) list.push_back(entry.thread->source()->Snapshot());
  return list;
}

std::vector<v1::Pool> SupplyImpl::ListPools() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::Pool> list;
  for (const PoolEntry& entry : pools_) list.push_back(entry.pool->Snapshot());
  return list;
}

}  // namespace

absl::Status Supply::Check(const config::v1::Server& config, const config::Locations& locations,
                           std::vector<std::string>* warnings) {
  absl::StatusOr<SupplyPlan> plan = PlanSupply(config, locations);
  if (plan.ok() && warnings != nullptr) *warnings = std::move(plan->warnings);
  return plan.status();
}

absl::StatusOr<std::unique_ptr<Supply>> Supply::Create(const config::v1::Server& config,
                                                       const config::Locations& locations,
                                                       SecretArena* arena, const Clock* clock,
                                                       Log* log, Metrics* metrics) {
  absl::StatusOr<SupplyPlan> plan = PlanSupply(config, locations);
  if (!plan.ok()) return plan.status();
  for (const std::string& warning : plan->warnings) {
    log->Warning("config.warning", {{"reason", warning}});
  }
  absl::StatusOr<std::unique_ptr<SeedProvider>> provider = SeedProvider::Create();
  if (!provider.ok()) return provider.status();
  if (const auto passed = RunSelfTests(provider->get(), arena); !passed.ok())
    return passed.status();
  const SecretArena::Locking locking =
      config.strict_memory() ? SecretArena::Locking::kRequired : SecretArena::Locking::kBestEffort;
  auto supply =
      std::make_unique<SupplyImpl>(*std::move(provider), arena, locking, clock, log, metrics);
  if (absl::Status status = supply->Build(config, *std::move(plan)); !status.ok()) return status;
  return supply;
}

}  // namespace entropyd
