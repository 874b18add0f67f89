// The `log:` part of a configuration, applied.
#pragma once

#include "base/process/log.h"
#include "proto/server_config.pb.h"

namespace entropyd {

void ConfigureLog(const config::v1::LogConfig& config, Log* log);

}  // namespace entropyd
