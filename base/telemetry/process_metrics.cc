#include "base/telemetry/process_metrics.h"

namespace entropyd {

void ExportMemoryLocked(bool locked, Metrics* metrics) {
  metrics
      ->AddGauge("entropyd_process_memory_locked",
                 "1 when no memory of the process can be swapped, keys and copies included.")
      ->Set(locked ? 1 : 0);
}

}  // namespace entropyd
