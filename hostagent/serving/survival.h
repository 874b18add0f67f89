// Keeps an eye on what upstream is to each class, lets the classes' buffers survive its loss
// (hostagent/serving/local_fallback.h), and exports who serves: entropyd_agent_class_mode,
// entropyd_agent_local_*.
//
// Thread safety: none; belongs to the event loop's thread. The exported numbers may be read from
// any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/process/metrics.h"
#include "hostagent/agent_metrics.h"
#include "hostagent/serving/local_fallback.h"
#include "hostagent/upstream/upstream.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

class Survival {
 public:
  // All outlive it; `buffers` as upstream's.
  Survival(std::vector<LocalFallback*> buffers, const Upstream* upstream, Metrics* metrics);

  // Call after guests were served. `serve(i)` is called for a class whose guests can be served now.
  // Returns when to call again even if nothing happens; INT64_MAX = never.
  int64_t Judge(int64_t now, absl::FunctionRef<void(size_t)> serve);

  // A guest waits, or a class is not served by upstream: losses matter now. What upstream does may
  // change the exported numbers in any case.
  bool concerned() const;

  // Per class, in order: mode, mode_seconds, local_bytes, local_ready, local_refused.
  void FillStatus(v1::GetStatusResponse* status, int64_t now) const;

 private:
  struct Numbers {
    LoopNumber modes[3];  // by Mode: 1 for the one that is
    LoopNumber local_bytes, local_ready, local_refused;
  };

  void Export(Metrics* metrics) const;

  const std::vector<LocalFallback*> buffers_;
  const Upstream* const upstream_;
  std::vector<std::unique_ptr<Numbers>> numbers_;
};

}  // namespace entropyd
