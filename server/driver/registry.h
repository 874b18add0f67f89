// The drivers there are.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "proto/server_config.pb.h"
#include "server/driver/source_driver.h"

namespace entropyd {

// A fault of one source's configuration: which key, and what is wrong and how to mend it.
struct ConfigFault {
  // Nullptr = no fault.
  const char* key = nullptr;
  std::string message;
};

struct DriverEntry {
  // As in the configuration.
  const char* name;
  // The keys of its own that it takes; "" = none. Space between.
  const char* keys;
  // Checks those keys without opening the device; nullptr = nothing to check.
  ConfigFault (*check)(const config::v1::SourceConfig& config);
  // What the source of that configuration is, before the operator's figures. May look at the device
  // without opening it.
  SourceIdentity (*identify)(const config::v1::SourceConfig& config);
  // `identity`: as decided, with the operator's figures.
  std::unique_ptr<SourceDriver> (*create)(const config::v1::SourceConfig& config,
                                          const SourceIdentity& identity);
};

// Every driver there is.
absl::Span<const DriverEntry> BuiltIns();

// Refuses a key of another driver, then asks the driver's own check.
ConfigFault CheckKeys(const DriverEntry& driver, const config::v1::SourceConfig& config);

// nullptr = unknown.
const DriverEntry* FindDriver(absl::string_view name);

}  // namespace entropyd
