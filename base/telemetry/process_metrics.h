// Metrics of a program about its own process.
//
//   ExportMemoryLocked(LockMemory().ok(), &metrics);
//
// Errors: none.
//
// Thread safety: as Metrics::AddGauge().
#pragma once

#include "base/telemetry/metrics.h"

namespace entropyd {

// entropyd_process_memory_locked: 1 when no page of the process can be swapped.
void ExportMemoryLocked(bool locked, Metrics* metrics);

}  // namespace entropyd
