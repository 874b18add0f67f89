#include "server/pool/pool_log.h"

namespace entropyd {

void LogPoolChange(const std::string& pool, const PoolState& before, const PoolState& after,
                   Log* log) {
  if (before.discard_epoch != after.discard_epoch) {
    log->Error("pool.discarded", {{"pool", pool},
                                  {"epoch", after.discard_epoch},
                                  {"reason", "all sources of its bytes have failed"}});
  }
  if (before.ready() && !after.ready()) {
    log->Error("pool.suspended", {{"pool", pool}, {"reason", after.Text()}});
  } else if (!before.ready() && after.ready()) {
    log->Info("pool.ready",
              {{"pool", pool}, {"degraded", after.degraded()}, {"reason", after.Text()}});
  } else if (before.degraded() != after.degraded()) {
    if (after.degraded()) {
      log->Warning("pool.degraded", {{"pool", pool}, {"reason", after.Text()}});
    } else {
      log->Info("pool.restored", {{"pool", pool}});
    }
  }
}

void LogRegrouped(const std::string& pool, const std::string& source, const std::string& root,
                  const std::string& group, Log* log) {
  log->Warning("pool.regrouped",
               {{"pool", pool}, {"source", source}, {"root", root}, {"counts_with_group", group}});
}

void LogSoftwareOnly(const std::string& pool, Log* log) {
  log->Warning("pool.software_only", {{"pool", pool},
                                      {"reason",
                                       "no hardware source: its bytes are worth what the kernel's "
                                       "are, no more; for tests and demonstrations"}});
}

}  // namespace entropyd
