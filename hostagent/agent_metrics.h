// The metrics of the agent: entropyd_agent_*. Upstream exports entropyd_agent_upstream_* itself.
// The event loop keeps plain numbers, which cost it an addition each. A scrape copies them into the
// registry.
//
//   AgentMetrics metrics(&registry, {"default/bulk"});
//   metrics.of_class("default/bulk")->delivered_bytes.Add(64);   // the loop's thread
//
// Errors: none.
//
// Thread safety: the numbers have one writer, the event loop's thread. Any thread may read them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/telemetry/metrics.h"
#include "hostagent/feed/kernel_feed.h"
#include "hostagent/guest/connections.h"
#include "hostagent/identity/class_assignment.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/serving/class_counters.h"

namespace entropyd {

class AgentMetrics {
 public:
  AgentMetrics(Metrics* metrics, const std::vector<std::string>& classes);
  AgentMetrics(const AgentMetrics&) = delete;
  AgentMetrics& operator=(const AgentMetrics&) = delete;

  // The counters of one class of the agent. REQUIRES: it has that class.
  ClassCounters* of_class(const std::string& name);
  // In the agent's order.
  const std::vector<std::unique_ptr<ClassCounters>>& classes() const { return classes_; }

  // 1 when secrets are in locked memory, else 0.
  LoopNumber memory_locked;
  // 1 when the last reload failed, else 0.
  LoopNumber reload_failed;
  // Configured listeners that are not open yet.
  LoopNumber waiting_listeners;
  // Socket files and pipes that somebody has removed or replaced.
  LoopNumber lost_sockets;
  TurnCounters turns;
  ConnectionCounters connections;
  IdentityCounters identity;
  KernelFeedCounters kernel_feed;

 private:
  void Export(Metrics* metrics);

  std::vector<std::unique_ptr<ClassCounters>> classes_;
  MetricsRefresher refresher_;
};

}  // namespace entropyd
