// The sources and pools that a supply has, and how a change puts others in their places. The supply
// (server/supply/supply.h) has the lock and runs the threads.
//
//   SupplyParts parts(&maker, metrics);
//   absl::Status built = parts.Build(config, std::move(plan));
//   absl::StatusOr<PreparedChange> change = parts.Prepare(config, next_plan);
//   SupplyParts::Taken taken = parts.Take(*std::move(change));
//   for (const SupplyParts::Newcomer& one : taken.begin) one.thread->Start();
//
// A source that goes loses its sinks first. So nobody has to wait for its thread: from then on it
// gives nothing to anybody.
//
// Errors: of Build() and Prepare(): those of SupplyMaker.
//
// Thread safety: one thread at a time. Sources and pools run meanwhile.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/telemetry/metrics.h"
#include "server/supply/supply.h"
#include "server/supply/supply_maker.h"

namespace entropyd {

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

struct PreparedChange {
  // As SupplyChange::NewPool().
  Pool* NewPool(const std::string& name) const;

  // As in SupplyChange.
  SupplyChange::Names sources, pools;
  // In the order of the configuration. Without a thread: the one that runs stays.
  std::vector<SourceEntry> made_sources;
  std::vector<PreparedPool> made_pools;
  std::vector<std::string> warnings;
};

class SupplyParts {
 public:
  // The references outlive the parts.
  SupplyParts(const SupplyMaker* maker, Metrics* metrics) : maker_(maker), metrics_(metrics) {}

  // The first ones. No thread runs yet.
  absl::Status Build(const config::v1::Server& config, SupplyPlan plan);
  // Makes all that is new. Nothing has changed then.
  absl::StatusOr<PreparedChange> Prepare(const config::v1::Server& config, SupplyPlan plan) const;
  // A source that is to be started.
  struct Newcomer {
    SourceThread* thread;
    // The one in whose place it comes, if it has the same driver.
    std::shared_ptr<SourceThread> before = nullptr;
  };
  struct Taken {
    std::vector<Newcomer> begin;
    // To be stopped. They have no sinks and no series any more.
    std::vector<std::shared_ptr<SourceThread>> leaving;
  };
  // Waits for no thread.
  Taken Take(PreparedChange change);

  std::vector<RunningSource> running() const;
  // The newcomer is LATCHED when the old source was LATCHED at its end. It remembers the alarms of
  // the old source, if that has ended: one that hangs keeps them to itself. REQUIRES: the newcomer
  // has not started.
  static void Remember(const Newcomer& newcomer);

  const std::vector<SourceEntry>& sources() const { return sources_; }
  const std::vector<PoolEntry>& pools() const { return pools_; }
  // Null when there is none of that name.
  const SourceEntry* FindSource(absl::string_view name) const;
  const PoolEntry* FindPool(absl::string_view name) const;

 private:
  absl::Status PrepareSources(const config::v1::Server& config, const SupplyPlan& plan,
                              PreparedChange* change) const;
  absl::Status PreparePools(SupplyPlan plan, PreparedChange* change) const;
  // Makes `one` for these options: a new pool, or what a pool that stays has to change.
  absl::Status PreparePool(EntropyPool::Options options, PreparedPool* one) const;
  // Takes the sinks of these away, and returns them.
  std::vector<std::shared_ptr<SourceThread>> Dismiss(const SupplyChange::Names& names);
  // Looks for the source in whose place `made` comes.
  Newcomer Succeed(const SourceEntry& made) const;
  // The source's sinks among the pools as they are now.
  std::vector<Source::Sink> SinksOf(const std::string& source) const;
  // Puts the pools in their places. Sources do not call those that go any more, nor yet those that
  // come.
  void TakePools(std::vector<PreparedPool> pools);
  // The pool gets bytes from these sources, which have the member numbers of their order.
  void Connect(PoolEntry* pool, const std::vector<std::string>& sources,
               const std::vector<int>& numbers);

  const SupplyMaker* const maker_;
  Metrics* const metrics_;
  std::vector<PoolEntry> pools_;
  std::vector<SourceEntry> sources_;
};

}  // namespace entropyd
