// What Prometheus sees of the agent: entropyd_agent_*, but for entropyd_agent_upstream_*, which
// Upstream exports itself. The event loop keeps plain numbers that cost
// it an addition; a scrape copies them into the registry.
//
// Thread safety: the numbers have one writer, the event loop's thread; reading is safe from any.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/process/metrics.h"
#include "hostagent/feed/kernel_feed.h"
#include "hostagent/guest/connections.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/serving/class_counters.h"

namespace entropyd {

class AgentMetrics {
 public:
  AgentMetrics(Metrics* metrics, const std::vector<std::string>& classes);
  AgentMetrics(const AgentMetrics&) = delete;
  AgentMetrics& operator=(const AgentMetrics&) = delete;

  ClassCounters* of_class(size_t index) { return classes_[index].get(); }

  LoopNumber memory_locked;  // 0 or 1
  LoopNumber reload_failed;  // 0 or 1
  ConnectionCounters connections;
  IdentityCounters identity;
  KernelFeedCounters kernel_feed;

 private:
  void Export(Metrics* metrics);

  std::vector<std::unique_ptr<ClassCounters>> classes_;
};

}  // namespace entropyd
