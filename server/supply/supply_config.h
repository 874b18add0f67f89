// Turns the configured sources and pools into the specs that they are built from, and checks them
// on the way. `entropyd --check-config` and the start of the server run the same code.
//
//   absl::StatusOr<SupplyPlan> plan = PlanSupply(config, locations);
//
// The function is pure, except that drivers look at a file under /sys to know their device's
// claims.
//
// Errors: INVALID_ARGUMENT with file:line:column, one line for each fault.
//
// Thread safety: functions without state.
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
  // The index in the configuration.
  int index = 0;
  // The source that runs under this name goes on.
  bool stays = false;
};

// A source as it was configured, and what it turned out to be.
struct RunningSource {
  config::v1::SourceConfig config;
  SourceSpec spec;
};

struct SupplyPlan {
  // These stand in the order of the configuration.
  std::vector<SourcePlan> sources;
  // These stand in the order of the configuration.
  std::vector<EntropyPool::Options> pools;
  // What an operator should mend and perhaps does not know, with file:line:column.
  std::vector<std::string> warnings;
};

// The most false alarms per year that may latch a sound source at its rate. When more are expected,
// the fault is in the configuration and not in the source.
inline constexpr double kMaxPermanentFalseAlarmsPerYear = 1;

// Whether a source that runs may go on under this configuration, for which `found` was found out
// now. Only a device that is certainly another one ends it: a device that is away for a moment says
// nothing. Its root does not matter, because the source tells which one it has opened.
bool GoesOn(const RunningSource& running, const config::v1::SourceConfig& config,
            const SourceSpec& found);

// `running` are the sources that run now. Errors: INVALID_ARGUMENT with file:line:column, one line
// for each fault found.
absl::StatusOr<SupplyPlan> PlanSupply(const config::v1::Server& config,
                                      const config::Locations& locations,
                                      const std::vector<RunningSource>& running = {});

}  // namespace entropyd
