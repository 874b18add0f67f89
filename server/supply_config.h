// From the configuration's sources and pools to the specs that they are built from, with every
// check on the way. `entropyd --check-config` and the start of the server run the same code.
//
// Pure but for what drivers look at to know their device's claims (a file under /sys).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"
#include "server/driver/registry.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source.h"

namespace entropyd {

struct SourcePlan {
  SourceSpec spec;
  const DriverEntry* driver = nullptr;
  // In the configuration.
  int index = 0;
};

struct SupplyPlan {
  // As in the configuration.
  std::vector<SourcePlan> sources;
  // As in the configuration.
  std::vector<EntropyPool::Options> pools;
  // What an operator should mend and may not know of, with file:line:column.
  std::vector<std::string> warnings;
};

// A false alarm that latches a source, expected more often than this at its rate, is a fault of the
// configuration, not of the source.
inline constexpr double kMaxPermanentFalseAlarmsPerYear = 1;

// Errors: INVALID_ARGUMENT with file:line:column, one line for each fault found.
absl::StatusOr<SupplyPlan> PlanSupply(const config::v1::Server& config,
                                      const config::Locations& locations);

}  // namespace entropyd
