#include "server/supply/supply_maker.h"

#include <utility>

namespace entropyd {

absl::StatusOr<SourceEntry> SupplyMaker::MakeSource(
    const config::v1::SourceConfig& config, const SourcePlan& plan,
    const std::shared_ptr<SecretArena>& arena) const {
  const SourceClaims& claims = plan.spec.identity.claims;
  SecretArena* const memory = arena == nullptr ? parts_.arena : arena.get();
  absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes}, memory);
  if (!test.ok()) return test.status();
  absl::StatusOr<SecretBytes> held = memory->Allocate(Source::HeldBytes(*test));
  if (!held.ok()) return held.status();
  auto source =
      std::make_unique<Source>(plan.spec, plan.driver->create(config, plan.spec.identity),
                               *std::move(test), *std::move(held), parts_.clock, parts_.log);
  SourceEntry entry{config, plan.spec};
  // The memory goes after the source.
  entry.thread = std::shared_ptr<SourceThread>(new SourceThread(std::move(source)),
                                               [arena](SourceThread* thread) { delete thread; });
  return entry;
}

absl::StatusOr<PoolEntry> SupplyMaker::MakePool(EntropyPool::Options options,
                                                std::shared_ptr<SecretArena> arena) const {
  absl::StatusOr<std::unique_ptr<EntropyPool>> pool = EntropyPool::Create(
      std::move(options), parts_.provider, arena == nullptr ? parts_.arena : arena.get(),
      parts_.clock, parts_.log, nullptr);
  if (!pool.ok()) return pool.status();
  PoolEntry entry;
  entry.arena = std::move(arena);
  entry.wakes = std::make_shared<WakeList>();
  entry.pool = *std::move(pool);
  entry.pool->SetWakeCallback([wakes = entry.wakes] { wakes->Wake(); });
  return entry;
}

absl::StatusOr<std::shared_ptr<SecretArena>> SupplyMaker::MoreMemory(size_t bytes) const {
  absl::StatusOr<std::unique_ptr<SecretArena>> arena = SecretArena::Create(bytes, parts_.locking);
  if (!arena.ok()) return arena.status();
  return std::shared_ptr<SecretArena>(*std::move(arena));
}

}  // namespace entropyd
