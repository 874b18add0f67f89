#include "base/config/log_config.h"

namespace entropyd {

void ConfigureLog(const config::v1::LogConfig& config, Log* log) {
  log->SetFormat(config.format() == config::v1::LOG_FORMAT_JSON ? LogFormat::kJson
                                                                : LogFormat::kLogfmt);
  switch (config.level()) {
    case config::v1::LOG_LEVEL_DEBUG:
      return log->SetLevel(LogLevel::kDebug);
    case config::v1::LOG_LEVEL_WARNING:
      return log->SetLevel(LogLevel::kWarning);
    case config::v1::LOG_LEVEL_ERROR:
      return log->SetLevel(LogLevel::kError);
    default:
      return log->SetLevel(LogLevel::kInfo);
  }
}

}  // namespace entropyd
