// What the log says of a pool.
//
//   LogPoolChange("default", before, after, log);
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "base/telemetry/log.h"
#include "server/pool/pool_state.h"

namespace entropyd {

// A line for each thing that an operator should know: bytes are void, the pool may not serve any
// more, it serves again, it is degraded, it is restored.
void LogPoolChange(const std::string& pool, const PoolState& before, const PoolState& after,
                   Log* log);
// A source turned out to rest on `root`, and counts from now on with the group that has this name.
void LogRegrouped(const std::string& pool, const std::string& source, const std::string& root,
                  const std::string& group, Log* log);
// It rests on software only.
void LogSoftwareOnly(const std::string& pool, Log* log);

}  // namespace entropyd
