// Makes the sources and the pools of a supply, each with its memory, its thread, and what wakes it.
//
//   const SupplyMaker maker({.provider = provider, .arena = arena, .clock = clock, .log = log});
//   absl::StatusOr<SourceEntry> source = maker.MakeSource(config, plan, nullptr);
//
// What is made later than at the start has memory of its own, which goes with it.
//
// Errors: RESOURCE_EXHAUSTED, INTERNAL.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto/drbg.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "proto/server_config.pb.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source_metrics.h"
#include "server/source/source_thread.h"
#include "server/supply/supply_config.h"

namespace entropyd {

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
  // A caller that asks a source something shares it until the answer.
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

class SupplyMaker {
 public:
  // All of it outlives what is made.
  struct Parts {
    const SeedProvider* provider;
    // The memory that the server was started with.
    SecretArena* arena;
    SecretArena::Locking locking;
    const Clock* clock;
    Log* log;
  };
  explicit SupplyMaker(const Parts& parts) : parts_(parts) {}

  // `arena` belongs to the source, or is null: then it gets its memory from that of the start.
  absl::StatusOr<SourceEntry> MakeSource(const config::v1::SourceConfig& config,
                                         const SourcePlan& plan,
                                         const std::shared_ptr<SecretArena>& arena) const;
  // `arena` as above.
  absl::StatusOr<PoolEntry> MakePool(EntropyPool::Options options,
                                     std::shared_ptr<SecretArena> arena) const;
  absl::StatusOr<std::shared_ptr<SecretArena>> MoreMemory(size_t bytes) const;

 private:
  const Parts parts_;
};

}  // namespace entropyd
