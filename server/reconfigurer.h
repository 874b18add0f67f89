// Brings a running server to another configuration of sources, pools, classes and limits. All that
// may fail happens first, and changes nothing; what follows cannot fail.
//
//   absl::StatusOr<Reconfigurer::Prepared> next = reconfigurer.Prepare(running, plan);
//   if (!next.ok()) return next.status();
//   reconfigurer.Apply(*std::move(next), plan);
//
// The dispatcher takes pools, classes and limits in one step, between two messages: no stream ever
// sees half of a configuration. Streams and Gets in classes that stay notice nothing, also when
// their class moves; in a class that goes, their channels are CLOSED.
//
// A change of a class that an operator made at run time wins over the configuration
// (server/classes/class_changes.h).
//
// Errors: Prepare(): as Supply::Prepare(), PlanDoor() and AdminAudit::Open().
//
// Thread safety: one owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "proto/server_config.pb.h"
#include "server/attach/protocols.h"
#include "server/classes/class_changes.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/door/door.h"
#include "server/reload/config_change.h"
#include "server/rpc/admin_audit.h"
#include "server/server_plan.h"
#include "server/supply/supply.h"

namespace entropyd {

// The limits of agents, readers and messages in the configuration.
Protocols::Limits PlanLimits(const config::v1::Server& config);
Dispatcher::Options PlanBudget(const config::v1::Server& config);

class Reconfigurer {
 public:
  // What changes. All of it outlives the reconfigurer.
  struct Parts {
    DispatchLoop* loop;
    Dispatcher* dispatcher;
    Protocols* protocols;
    Supply* supply;
    ClassChanges* classes;
    Door* door;
    AdminAudit* audit;
    // Whether operators may record raw samples.
    std::atomic<bool>* allow_recording;
    const Clock* clock;
    Log* log;
  };
  // Everything that the new configuration needs. If the caller drops it, nothing has changed.
  struct Prepared {
    std::vector<ConfigChange> changes;
    std::unique_ptr<SupplyChange> supply;
    bool new_classes = false;
    absl::optional<ConnectionTable::Limits> door;
    std::unique_ptr<AdminAudit> audit;
  };

  explicit Reconfigurer(const Parts& parts) : parts_(parts) {}

  // `running` is in force now.
  absl::StatusOr<Prepared> Prepare(const config::v1::Server& running, const ServerPlan& next);
  void Apply(Prepared prepared, const ServerPlan& next);

 private:
  PoolsChange PlanPools(const ServerPlan& next, const SupplyChange& supply,
                        std::vector<ClassChanges::EffectivePool> pools) const;
  // All was checked before, so an error now is a fault of the program. The thing in question stays
  // as it was, or is missing; a pool that goes is released in any case.
  void TellFault(const absl::Status& fault) const;

  const Parts parts_;
};

}  // namespace entropyd
