#include "server/supply/supply_parts.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "absl/algorithm/container.h"

namespace entropyd {
namespace {

// The memory of a pool, besides its stored bytes: the block that it works on.
constexpr size_t kPoolBytes = 16 << 10;

std::vector<std::string> SourcesOf(const EntropyPool::Options& options) {
  std::vector<std::string> names;
  for (const EntropyPool::Member& member : options.members) names.push_back(member.source);
  return names;
}

// What an operator has to look into stays so.
void StayLatched(const Source& before, Source* after) {
  const v1::Source last = before.Snapshot();
  if (last.state() != v1::SOURCE_STATE_LATCHED) return;
  if (after->Snapshot().state() != v1::SOURCE_STATE_LATCHED) after->BeginLatched(last.reason());
}

}  // namespace

Pool* PreparedChange::NewPool(const std::string& name) const {
  for (const PreparedPool& one : made_pools) {
    if (one.name == name) return one.made.pool.get();
  }
  return nullptr;
}

absl::Status SupplyParts::Build(const config::v1::Server& config, SupplyPlan plan) {
  for (size_t i = 0; i < plan.sources.size(); ++i) {
    absl::StatusOr<SourceEntry> entry =
        maker_->MakeSource(config.sources(static_cast<int>(i)), plan.sources[i], nullptr);
    if (!entry.ok()) return entry.status();
    sources_.push_back(*std::move(entry));
  }
  std::vector<PreparedPool> pools;
  for (EntropyPool::Options& options : plan.pools) {
    PreparedPool one{.name = options.name, .sources = SourcesOf(options)};
    absl::StatusOr<PoolEntry> entry = maker_->MakePool(std::move(options), nullptr);
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
  return absl::OkStatus();
}

absl::StatusOr<PreparedChange> SupplyParts::Prepare(const config::v1::Server& config,
                                                    SupplyPlan plan) const {
  PreparedChange change;
  change.warnings = plan.warnings;
  absl::Status prepared = PrepareSources(config, plan, &change);
  if (prepared.ok()) prepared = PreparePools(std::move(plan), &change);
  if (!prepared.ok()) return prepared;
  return change;
}

absl::Status SupplyParts::PrepareSources(const config::v1::Server& config, const SupplyPlan& plan,
                                         PreparedChange* change) const {
  for (const SourcePlan& source : plan.sources) {
    const config::v1::SourceConfig& wanted = config.sources(source.index);
    const SourceEntry* const running = FindSource(wanted.name());
    if (running != nullptr && source.stays) {
      change->made_sources.push_back({wanted, source.spec});
      continue;
    }
    absl::StatusOr<std::shared_ptr<SecretArena>> arena = maker_->MoreMemory(Supply::kSourceBytes);
    if (!arena.ok()) return arena.status();
    absl::StatusOr<SourceEntry> made = maker_->MakeSource(wanted, source, *arena);
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

absl::Status SupplyParts::PreparePools(SupplyPlan plan, PreparedChange* change) const {
  for (EntropyPool::Options& options : plan.pools) {
    PreparedPool one{.name = options.name, .sources = SourcesOf(options)};
    for (EntropyPool::Member& member : options.members) {
      member.is_new = absl::c_linear_search(change->sources.changed, member.source);
    }
    absl::Status prepared = PreparePool(std::move(options), &one);
    if (!prepared.ok()) return prepared;
    if (one.is_new) change->pools.added.push_back(one.name);
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

absl::Status SupplyParts::PreparePool(EntropyPool::Options options, PreparedPool* one) const {
  const bool stores = options.quality == v1::QUALITY_FULL;
  const size_t bytes = 2 * (stores ? options.capacity_bytes : 0) + kPoolBytes;
  const PoolEntry* const running = FindPool(options.name);
  one->is_new = running == nullptr || running->pool->quality() != options.quality;
  if (one->is_new) {
    absl::StatusOr<std::shared_ptr<SecretArena>> arena = maker_->MoreMemory(bytes);
    if (!arena.ok()) return arena.status();
    absl::StatusOr<PoolEntry> made = maker_->MakePool(std::move(options), *std::move(arena));
    if (!made.ok()) return made.status();
    one->made = *std::move(made);
    return absl::OkStatus();
  }
  if (stores && running->pool->Snapshot().capacity_bytes() != options.capacity_bytes) {
    absl::StatusOr<std::shared_ptr<SecretArena>> arena = maker_->MoreMemory(bytes);
    if (!arena.ok()) return arena.status();
    one->store_arena = *std::move(arena);
  }
  absl::StatusOr<EntropyPool::Change> taken =
      running->pool->Prepare(std::move(options), one->store_arena.get());
  if (!taken.ok()) return taken.status();
  one->change = *std::move(taken);
  return absl::OkStatus();
}

std::vector<std::shared_ptr<SourceThread>> SupplyParts::Dismiss(const SupplyChange::Names& names) {
  std::vector<std::shared_ptr<SourceThread>> leaving;
  for (const std::vector<std::string>* const some : {&names.removed, &names.changed}) {
    for (const std::string& name : *some) {
      leaving.push_back(FindSource(name)->thread);
      leaving.back()->source()->SetSinks({});
    }
  }
  return leaving;
}

SupplyParts::Newcomer SupplyParts::Succeed(const SourceEntry& made) const {
  const SourceEntry* const before = FindSource(made.spec.name);
  if (before == nullptr || before->spec.driver != made.spec.driver) return {made.thread.get()};
  StayLatched(*before->thread->source(), made.thread->source());
  return {made.thread.get(), before->thread};
}

SupplyParts::Taken SupplyParts::Take(PreparedChange change) {
  Taken taken;
  taken.leaving = Dismiss(change.sources);
  std::vector<SourceEntry> sources;
  for (SourceEntry& made : change.made_sources) {
    if (made.thread == nullptr) {
      const auto running = absl::c_find_if(sources_, [&made](const SourceEntry& entry) {
        return entry.spec.name == made.spec.name;
      });
      made.thread = std::move(running->thread);
      const std::string& group = made.spec.identity.claims.group;
      if (group == running->spec.identity.claims.group) {
        made.metrics = std::move(running->metrics);
      } else {
        made.thread->source()->SetGroup(group);  // and series with this label
      }
    } else {
      taken.begin.push_back(Succeed(made));
    }
    sources.push_back(std::move(made));
  }
  sources_ = std::move(sources);  // ends the series of those that go
  TakePools(std::move(change.made_pools));
  for (SourceEntry& entry : sources_) {
    entry.thread->source()->SetSinks(SinksOf(entry.spec.name));
    entry.thread->Wake();  // to tell new sinks
    if (entry.metrics != nullptr) continue;
    entry.metrics = std::make_unique<SourceMetrics>(entry.thread->source(), metrics_);
  }
  return taken;
}

void SupplyParts::TakePools(std::vector<PreparedPool> pools) {
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

void SupplyParts::Connect(PoolEntry* pool, const std::vector<std::string>& sources,
                          const std::vector<int>& numbers) {
  std::vector<std::shared_ptr<SourceThread>> threads;
  pool->members.clear();
  for (size_t i = 0; i < sources.size(); ++i) {
    pool->members[sources[i]] = numbers[i];
    threads.push_back(FindSource(sources[i])->thread);
  }
  pool->wakes->Set(std::move(threads));
}

std::vector<Source::Sink> SupplyParts::SinksOf(const std::string& source) const {
  std::vector<Source::Sink> sinks;
  for (const PoolEntry& entry : pools_) {
    const auto member = entry.members.find(source);
    if (member != entry.members.end()) sinks.push_back({entry.pool.get(), member->second});
  }
  return sinks;
}

void SupplyParts::Remember(const Newcomer& newcomer) {
  if (newcomer.before == nullptr) return;
  const bool ended = newcomer.before->ended();
  // It ran on after its place was taken.
  StayLatched(*newcomer.before->source(), newcomer.thread->source());
  if (ended) newcomer.thread->source()->RememberAlarmsOf(*newcomer.before->source());
}

std::vector<RunningSource> SupplyParts::running() const {
  std::vector<RunningSource> running;
  for (const SourceEntry& entry : sources_) running.push_back({entry.config, entry.spec});
  return running;
}

const SourceEntry* SupplyParts::FindSource(absl::string_view name) const {
  const auto found = absl::c_find_if(
      sources_, [name](const SourceEntry& entry) { return entry.spec.name == name; });
  return found == sources_.end() ? nullptr : &*found;
}

const PoolEntry* SupplyParts::FindPool(absl::string_view name) const {
  const auto found = absl::c_find_if(
      pools_, [name](const PoolEntry& entry) { return entry.pool->name() == name; });
  return found == pools_.end() ? nullptr : &*found;
}

}  // namespace entropyd
