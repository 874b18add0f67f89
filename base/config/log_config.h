// Applies the `log:` part of a configuration.
//
// Errors: none.
//
// Thread safety: a function without state; a Log may change its format and level at any time.
#pragma once

#include "base/telemetry/log.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// Sets format and level. Where the file says nothing: logfmt and info.
void ConfigureLog(const config::v1::LogConfig& config, Log* log);

}  // namespace entropyd
