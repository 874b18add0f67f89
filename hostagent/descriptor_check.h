// Whether this process may open enough files for the guests that it is configured to take.
//
//   absl::Status status = CheckDescriptors(config, RaiseDescriptorLimit(), &log);
//
// Thread safety: a function without state.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/telemetry/log.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// `descriptors` is how many files the process may have open (RLIMIT_NOFILE). When they do not
// suffice for max_guests, the log says so: those who connect last will wait until others leave.
// Errors: RESOURCE_EXHAUSTED when they do not suffice for any guest.
absl::Status CheckDescriptors(const config::v1::HostAgent& config, uint64_t descriptors, Log* log);

}  // namespace entropyd
