// The list of drivers. A new driver adds one line to it (source_driver.h, CONTRIBUTING.md).
//
//   const DriverEntry* driver = FindDriver("egd");
//   const ConfigFault fault = CheckKeys(*driver, config);
//   if (fault.key == nullptr) source = driver->create(config, driver->identify(config));
//
// Errors: a ConfigFault, which names the key and the remedy.
//
// Thread safety: functions without state.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "proto/server_config.pb.h"
#include "server/driver/source_driver.h"

namespace entropyd {

// A fault in one source's configuration: the key, what is wrong, and how to mend it.
struct ConfigFault {
  // nullptr = no fault.
  const char* key = nullptr;
  std::string message;
};

struct DriverEntry {
  // The name of the driver in the configuration.
  const char* name;
  // The keys that only this driver takes, with a space between two keys; "" = none.
  const char* keys;
  // Checks these keys without opening the device; nullptr = nothing to check.
  ConfigFault (*check)(const config::v1::SourceConfig& config);
  // Says what the source of this configuration is, before the operator's figures apply. It may look
  // at the device without opening it.
  SourceIdentity (*identify)(const config::v1::SourceConfig& config);
  // `identity` is the final one, with the operator's figures.
  std::unique_ptr<SourceDriver> (*create)(const config::v1::SourceConfig& config,
                                          const SourceIdentity& identity);
  // Says why this process could not use the device at this moment, in the words of
  // SourceDriver::Open() and as far as files tell without being opened. nullptr = they tell
  // nothing. Unlike check(), what it finds may be different for the server's user, or later.
  ConfigFault (*look)(const config::v1::SourceConfig& config) = nullptr;
};

// Every driver there is.
absl::Span<const DriverEntry> BuiltIns();

// Refuses a key of another driver, then asks the driver's own check.
ConfigFault CheckKeys(const DriverEntry& driver, const config::v1::SourceConfig& config);

// Returns nullptr when the driver is unknown.
const DriverEntry* FindDriver(absl::string_view name);

}  // namespace entropyd
