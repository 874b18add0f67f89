// What Prometheus sees of the agent: entropyd_agent_*, but for entropyd_agent_upstream_*, which
// Upstream exports itself. The event loop keeps plain numbers that cost
// it an addition; a scrape copies them into the registry.
//
// Thread safety: the numbers have one writer, the event loop's thread; reading is safe from any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/crypto/secret_bytes.h"
#include "base/process/metrics.h"
#include "hostagent/guest/egd_session.h"
#include "hostagent/guest/guest_totals.h"

namespace entropyd {

// A number with one writer and any number of readers: no locked instruction, no torn read.
class LoopNumber {
 public:
  void Add(uint64_t n) { Set(Get() + n); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct ClassCounters {
  explicit ClassCounters(std::string name) : class_name(std::move(name)) {}

  const std::string class_name;  // POOL/CLASS
  LoopNumber delivered_bytes;    // entropy handed to guests' sockets, primed bytes included
  LoopNumber primed_bytes;
  std::array<LoopNumber, EgdSession::kCommands> requests;  // by command byte
  LoopNumber closed_unknown;  // connections closed for an unknown command
  LoopNumber closed_pending;  // ... for too many pending commands of alternating kinds
  LoopNumber guests;
  LoopNumber owed_bytes;
  LoopNumber buffer_level;
  LoopNumber buffer_target;
  LoopNumber buffer_size;
  // Time from the arrival of a run of like commands that came together to its last reply byte.
  std::array<LoopNumber, kWaitBuckets> waits;
  LoopNumber wait_sum_nanos;
  LoopNumber throttled_nanos;  // guests' time, all together, waiting for their ceilings only
};

class AgentMetrics {
 public:
  AgentMetrics(Metrics* metrics, const std::vector<std::string>& classes);
  AgentMetrics(const AgentMetrics&) = delete;
  AgentMetrics& operator=(const AgentMetrics&) = delete;

  ClassCounters* of_class(size_t index) { return classes_[index].get(); }

  LoopNumber memory_locked;      // 0 or 1
  LoopNumber refused_guests;     // connections beyond max_guests
  LoopNumber accept_failures;    // out of descriptors or memory
  LoopNumber reload_failed;      // 0 or 1
  LoopNumber kernel_feed_bytes;  // given to this host's kernel
  LoopNumber kernel_feed_credited_bits;
  LoopNumber kernel_feed_failed_writes;
  LoopNumber kernel_feed_credit_refused;
  static constexpr size_t kIdentitySources = 4;
  LoopNumber
      identified[kIdentitySources];  // answers, by IdentitySource; kNone = nobody knows the peer
  LoopNumber identity_timeouts;      // guests for whom no answer came in time
  LoopNumber unidentified_refused;   // connections closed because nobody knows the peer
  LoopNumber class_refused;          // guests whose metadata asks for a class not served here

 private:
  void Export(Metrics* metrics);

  std::vector<std::unique_ptr<ClassCounters>> classes_;
};

}  // namespace entropyd
