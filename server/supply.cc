#include "server/supply.h"

#include <algorithm>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "server/known_answers.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source_metrics.h"
#include "server/source/source_thread.h"
#include "server/supply_config.h"

namespace entropyd {
namespace {

// A pool may notice so late that its seed is too old, and a metric may be so old.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// The self-tests run again after this time, so that a fault of the processor or its memory shows
// before the next start.
constexpr int64_t kSelfTestNanos = 10 * kMinuteNanos;

class SupplyImpl final : public Supply {
 public:
  SupplyImpl(std::unique_ptr<SeedProvider> provider, SecretArena* arena, const Clock* clock,
             Log* log)
      : provider_(std::move(provider)),
        arena_(arena),
        clock_(clock),
        log_(log),
        next_self_test_(clock->NowNanos() + kSelfTestNanos) {}
  ~SupplyImpl() override { Stop(); }

  absl::Status Build(const config::v1::Server& config, SupplyPlan plan, Metrics* metrics);

  void Start() override;
  void Stop() override;
  std::vector<Pool*> pools() const override { return {pools_.begin(), pools_.end()}; }
  Pool* FindPool(const std::string& name) const override;
  void TestSource(const std::string& name, bool reset, Source::TestDone done) override;
  absl::Status RecordSource(const std::string& name,
                            std::shared_ptr<SampleRecording> recording) override;
  absl::StatusOr<std::vector<std::string>> SelfTest() override;
  std::vector<v1::Source> ListSources() const override;
  std::vector<v1::Pool> ListPools() const override;

 private:
  absl::Status BuildSource(const config::v1::SourceConfig& config, const SourcePlan& plan,
                           Metrics* metrics);
  absl::StatusOr<SourceThread*> FindSource(const std::string& name) const;
  void WakeMembers(const std::vector<SourceThread*>& members);
  void RunTicks();
  void Tick();

  const std::unique_ptr<SeedProvider> provider_;
  SecretArena* const arena_;
  const Clock* const clock_;
  Log* const log_;
  std::vector<std::unique_ptr<EntropyPool>> owned_pools_;
  std::vector<EntropyPool*> pools_;
  std::vector<std::unique_ptr<SourceThread>> sources_;  // stopped before the pools go
  std::vector<SourceMetrics> source_metrics_;
  int64_t next_self_test_;

  absl::Mutex self_test_mutex_;  // one at a time: the arena has room for one
  std::thread ticker_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status SupplyImpl::BuildSource(const config::v1::SourceConfig& config, const SourcePlan& plan,
                                     Metrics* metrics) {
  const SourceClaims& claims = plan.spec.identity.claims;
  absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes}, arena_);
  if (!test.ok()) return test.status();
  absl::StatusOr<SecretBytes> held = arena_->Allocate(Source::HeldBytes(*test));
  if (!held.ok()) return held.status();
  sources_.push_back(std::make_unique<SourceThread>(
      std::make_unique<Source>(plan.spec, plan.driver->create(config, plan.spec.identity),
                               *std::move(test), *std::move(held), clock_, log_)));
  source_metrics_.emplace_back(sources_.back()->source(), metrics);
  return absl::OkStatus();
}

absl::Status SupplyImpl::Build(const config::v1::Server& config, SupplyPlan plan,
                               Metrics* metrics) {
  std::map<std::string, SourceThread*> by_name;
  for (size_t i = 0; i < plan.sources.size(); ++i) {
    absl::Status status =
        BuildSource(config.sources(static_cast<int>(i)), plan.sources[i], metrics);
    if (!status.ok()) return status;
    by_name[plan.sources[i].spec.name] = sources_.back().get();
  }
  for (EntropyPool::Options& options : plan.pools) {
    std::vector<SourceThread*> members;
    for (const EntropyPool::Member& member : options.members) {
      members.push_back(by_name.at(member.source));
    }
    absl::StatusOr<std::unique_ptr<EntropyPool>> pool =
        EntropyPool::Create(std::move(options), provider_.get(), arena_, clock_, log_, metrics);
    if (!pool.ok()) return pool.status();
    EntropyPool* raw = pool->get();
    for (size_t i = 0; i < members.size(); ++i) {
      members[i]->source()->AddSink(raw, static_cast<int>(i));
    }
    raw->SetWakeCallback([this, members] { WakeMembers(members); });
    owned_pools_.push_back(*std::move(pool));
    pools_.push_back(raw);
  }
  return absl::OkStatus();
}

void SupplyImpl::WakeMembers(const std::vector<SourceThread*>& members) {
  for (SourceThread* member : members) member->Wake();
}

void SupplyImpl::Start() {
  for (const auto& source : sources_) source->Start();
  ticker_ = std::thread([this] { RunTicks(); });
}

void SupplyImpl::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  for (const auto& source : sources_) source->Stop();
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
  for (EntropyPool* pool : pools_) pool->Tick();
  for (SourceMetrics& metrics : source_metrics_) metrics.Refresh();
}

Pool* SupplyImpl::FindPool(const std::string& name) const {
  const auto found = std::find_if(pools_.begin(), pools_.end(),
                                  [&](const EntropyPool* pool) { return pool->name() == name; });
  return found == pools_.end() ? nullptr : *found;
}

absl::StatusOr<std::vector<std::string>> SupplyImpl::SelfTest() {
  absl::MutexLock lock(&self_test_mutex_);
  absl::StatusOr<std::vector<std::string>> passed = RunSelfTests(provider_.get(), arena_);
  if (!passed.ok()) {
    log_->Error("self_test.failed", {{"reason", passed.status().message()}});
    for (EntropyPool* pool : pools_) pool->Fail(passed.status().message());
  }
  return passed;
}

absl::StatusOr<SourceThread*> SupplyImpl::FindSource(const std::string& name) const {
  for (const auto& source : sources_) {
    if (source->source()->spec().name == name) return source.get();
  }
  return absl::NotFoundError(
      absl::StrCat("no source ", Excerpt(name), " is configured; there are ",
                   absl::StrJoin(sources_, ", ", [](std::string* out, const auto& source) {
                     absl::StrAppend(out, source->source()->spec().name);
                   })));
}

void SupplyImpl::TestSource(const std::string& name, bool reset, Source::TestDone done) {
  const absl::StatusOr<SourceThread*> found = FindSource(name);
  if (!found.ok()) {
    done(found.status());
    return;
  }
  (*found)->source()->Test(reset, std::move(done));
  (*found)->Wake();
}

absl::Status SupplyImpl::RecordSource(const std::string& name,
                                      std::shared_ptr<SampleRecording> recording) {
  const absl::StatusOr<SourceThread*> found = FindSource(name);
  if (!found.ok()) return found.status();
  absl::Status status = (*found)->source()->Record(std::move(recording));
  (*found)->Wake();
  return status;
}

std::vector<v1::Source> SupplyImpl::ListSources() const {
  std::vector<v1::Source> list;
  for (const auto& source : sources_) {
    const SourceThread& thread = *source;
    list.push_back(thread.source()->Snapshot());
  }
  return list;
}

std::vector<v1::Pool> SupplyImpl::ListPools() const {
  std::vector<v1::Pool> list;
  for (const EntropyPool* pool : pools_) list.push_back(pool->Snapshot());
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
  auto supply = std::make_unique<SupplyImpl>(*std::move(provider), arena, clock, log);
  if (absl::Status status = supply->Build(config, *std::move(plan), metrics); !status.ok()) {
    return status;
  }
  return supply;
}

}  // namespace entropyd
