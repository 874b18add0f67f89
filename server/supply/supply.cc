#include "server/supply/supply.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process/nanos.h"
#include "base/process/thread.h"
#include "base/text/names.h"
#include "server/source/leaving_sources.h"
#include "server/supply/known_answers.h"
#include "server/supply/supply_config.h"
#include "server/supply/supply_maker.h"
#include "server/supply/supply_parts.h"

namespace entropyd {
namespace {

// A pool may notice so late that its seed is too old, and a metric may be so old.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// The self-tests run again after this time, so that a fault of the processor or its memory shows
// before the next start.
constexpr int64_t kSelfTestNanos = 10 * kMinuteNanos;

class SupplyImpl final : public Supply {
 public:
  SupplyImpl(std::unique_ptr<SeedProvider> provider, SecretArena* arena,
             SecretArena::Locking locking, const Clock* clock, Log* log, Metrics* metrics)
      : provider_(std::move(provider)),
        arena_(arena),
        clock_(clock),
        log_(log),
        maker_({provider_.get(), arena, locking, clock, log}),
        leaving_(clock, log),
        next_self_test_(clock->NowNanos() + kSelfTestNanos),
        parts_(&maker_, metrics) {}
  ~SupplyImpl() override { Stop(); }

  absl::Status Build(const config::v1::Server& config, SupplyPlan plan);
  // As SupplyChange::Apply().
  void Take(PreparedChange change);

  absl::Status Start() override;
  bool Stop() override;
  absl::StatusOr<std::unique_ptr<SupplyChange>> Prepare(
      const config::v1::Server& config, const config::Locations& locations) override;
  std::vector<Pool*> pools() const override;
  Pool* FindPool(const std::string& name) const override;
  void TestSource(const std::string& name, bool reset, Source::TestDone done) override;
  absl::Status RecordSource(const std::string& name,
                            std::shared_ptr<SampleRecording> recording) override;
  absl::StatusOr<std::vector<std::string>> SelfTest() override;
  std::vector<v1::Source> ListSources() const override;
  std::vector<v1::Pool> ListPools() const override;

 private:
  absl::StatusOr<std::shared_ptr<SourceThread>> FindSource(const std::string& name) const;
  void RunTicks();
  void Tick();
  void Begin(SourceThread* source) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<SeedProvider> provider_;
  SecretArena* const arena_;
  const Clock* const clock_;
  Log* const log_;
  const SupplyMaker maker_;
  LeavingSources leaving_;
  int64_t next_self_test_;
  absl::Mutex self_test_mutex_;  // one at a time: the arena has room for one
  std::thread ticker_;
  bool all_ended_ = false;  // as Stop() found

  // Taken before the locks of sources and pools. No callback of theirs takes it.
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  // The log has said that a source has no thread.
  bool threadless_told_ ABSL_GUARDED_BY(mutex_) = false;
  SupplyParts parts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> warnings_ ABSL_GUARDED_BY(mutex_);
};

class SupplyChangeImpl final : public SupplyChange {
 public:
  SupplyChangeImpl(SupplyImpl* supply, PreparedChange prepared)
      : supply_(supply), prepared_(std::move(prepared)) {
    sources = prepared_.sources;
    pools = prepared_.pools;
  }
  void Apply() override { supply_->Take(std::move(prepared_)); }
  Pool* NewPool(const std::string& name) const override { return prepared_.NewPool(name); }

 private:
  SupplyImpl* const supply_;
  PreparedChange prepared_;
};

absl::Status SupplyImpl::Build(const config::v1::Server& config, SupplyPlan plan) {
  absl::MutexLock lock(&mutex_);
  warnings_ = plan.warnings;
  return parts_.Build(config, std::move(plan));
}

absl::Status SupplyImpl::Start() {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<std::thread> ticker = StartThread([this] { RunTicks(); });
  if (!ticker.ok()) return ticker.status();
  ticker_ = *std::move(ticker);
  started_ = true;
  for (const SourceEntry& source : parts_.sources()) Begin(source.thread.get());
  return absl::OkStatus();
}

// One that the system refuses a thread now is tried again at each tick.
void SupplyImpl::Begin(SourceThread* source) {
  const absl::Status begun = source->Start();
  if (begun.ok() || std::exchange(threadless_told_, true)) return;
  log_->Error("source.not_started", {{"source", source->source()->Snapshot().name()},
                                     {"reason", begun},
                                     {"remedy", "raise that limit; the server keeps trying"}});
}

bool SupplyImpl::Stop() {
  std::vector<std::shared_ptr<SourceThread>> threads;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return all_ended_;
    stopping_ = true;
    for (const SourceEntry& source : parts_.sources()) threads.push_back(source.thread);
  }
  if (ticker_.joinable()) ticker_.join();
  all_ended_ = leaving_.Stop(std::move(threads), absl::Now() + LeavingSources::kStopPatience);
  return all_ended_;
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
  leaving_.Reap();
  absl::MutexLock lock(&mutex_);
  for (const PoolEntry& entry : parts_.pools()) entry.pool->Tick();
  for (const SourceEntry& entry : parts_.sources()) {
    entry.metrics->Refresh();
    // One that has come and was not begun yet is Take()'s.
    if (started_ && !stopping_ && entry.thread->refused()) Begin(entry.thread.get());
  }
}

// A new configuration -------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<SupplyChange>> SupplyImpl::Prepare(
    const config::v1::Server& config, const config::Locations& locations) {
  std::vector<RunningSource> running;
  {
    absl::MutexLock lock(&mutex_);
    running = parts_.running();
  }
  absl::StatusOr<SupplyPlan> plan = PlanSupply(config, locations, running);
  if (!plan.ok()) return plan.status();
  absl::StatusOr<PreparedChange> change;
  {
    absl::MutexLock lock(&mutex_);
    change = parts_.Prepare(config, *std::move(plan));
  }
  if (!change.ok()) return change.status();
  // As at a start, a pool begins with a generator that works.
  if (!change->pools.added.empty()) {
    if (const auto passed = SelfTest(); !passed.ok()) return passed.status();
  }
  return std::make_unique<SupplyChangeImpl>(this, *std::move(change));
}

void SupplyImpl::Take(PreparedChange change) {
  SupplyParts::Taken taken;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& warning : change.warnings) {
      if (absl::c_linear_search(warnings_, warning)) continue;
      log_->Warning("config.warning", {{"reason", warning}});
    }
    warnings_ = std::move(change.warnings);
    taken = parts_.Take(std::move(change));
  }
  leaving_.Add(std::move(taken.leaving));
  absl::MutexLock lock(&mutex_);
  if (!started_ || stopping_) return;
  for (const SupplyParts::Newcomer& one : taken.begin) {
    SupplyParts::Remember(one);
    Begin(one.thread);
  }
}

// Questions -----------------------------------------------------------------------------------

std::vector<Pool*> SupplyImpl::pools() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Pool*> pools;
  for (const PoolEntry& entry : parts_.pools()) pools.push_back(entry.pool.get());
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
    for (const PoolEntry& entry : parts_.pools()) entry.pool->Fail(passed.status().message());
  }
  return passed;
}

absl::StatusOr<std::shared_ptr<SourceThread>> SupplyImpl::FindSource(
    const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  for (const SourceEntry& source : parts_.sources()) {
    if (source.spec.name == name) return source.thread;
  }
  return absl::NotFoundError(absl::StrCat(
      "no source ", Excerpt(name), " is configured; there are ",
      absl::StrJoin(parts_.sources(), ", ", [](std::string* out, const SourceEntry& source) {
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
  for (const SourceEntry& entry : parts_.sources())
    list.push_back(entry.thread->source()->Snapshot());
  return list;
}

std::vector<v1::Pool> SupplyImpl::ListPools() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::Pool> list;
  for (const PoolEntry& entry : parts_.pools()) list.push_back(entry.pool->Snapshot());
  return list;
}

}  // namespace

absl::Status Supply::Check(const config::v1::Server& config, const config::Locations& locations,
                           std::vector<std::string>* warnings) {
  absl::StatusOr<SupplyPlan> plan = PlanSupply(config, locations);
  if (!plan.ok() || warnings == nullptr) return plan.status();
  *warnings = std::move(plan->warnings);
  for (const SourcePlan& source : plan->sources) {
    const DriverEntry& driver = *source.driver;
    if (driver.look == nullptr) continue;
    const ConfigFault found = driver.look(config.sources(source.index));
    if (found.key == nullptr) continue;
    const std::string at = absl::StrCat("sources[", source.index, "].", found.key);
    const std::string text =
        absl::StrCat("now, and for this user, the source would be gone: ", found.message);
    warnings->push_back(std::string(locations.Error(at, text).message()));
  }
  return absl::OkStatus();
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
