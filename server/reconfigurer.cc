#include "server/reconfigurer.h"

#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/synchronization/notification.h"
#include "base/process/descriptor_limit.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/classes/class_config.h"
#include "server/config_changes.h"
#include "server/door_config.h"
#include "server/shares_config.h"

namespace entropyd {
namespace {

using google::protobuf::util::MessageDifferencer;

bool SamePools(const config::v1::Server& a, const config::v1::Server& b) {
  config::v1::Server left, right;
  *left.mutable_pools() = a.pools();
  *right.mutable_pools() = b.pools();
  return MessageDifferencer::Equals(left, right);
}

bool SameDoor(const config::v1::Server& a, const config::v1::Server& b) {
  return a.max_connections() == b.max_connections() && a.max_agents() == b.max_agents() &&
         a.max_handshakes() == b.max_handshakes() &&
         a.max_handshakes_per_address() == b.max_handshakes_per_address() &&
         a.max_connections_per_identity() == b.max_connections_per_identity() &&
         a.max_streams_per_identity() == b.max_streams_per_identity() &&
         a.max_gets_per_identity() == b.max_gets_per_identity() &&
         a.sources_size() == b.sources_size();
}

LogFormat AuditFormat(const config::v1::Server& config) {
  return config.log().format() == config::v1::LOG_FORMAT_JSON ? LogFormat::kJson
                                                              : LogFormat::kLogfmt;
}

// The device of a source may be another one although its keys are the same.
void AddOtherDevices(const SupplyChange& supply, std::vector<ConfigChange>* changes) {
  for (const std::string& name : supply.sources.changed) {
    const bool told = absl::c_any_of(*changes, [&name](const ConfigChange& one) {
      return one.kind == ConfigChange::Kind::kSource && one.name == name;
    });
    if (!told) {
      changes->push_back({ConfigChange::Kind::kSource, ConfigChange::What::kChanged, name,
                          "what the device claims"});
    }
  }
}

// What a pool that stays has to change.
absl::StatusOr<ClassesChange> ChangeOf(ClassChanges::EffectivePool* pool) {
  const config::v1::PoolConfig& config = pool->config;
  absl::StatusOr<std::vector<ClassTree::ClassSpec>> specs = ChangedClassSpecs(config);
  if (!specs.ok()) return specs.status();
  ClassesChange change;
  change.update = {config.name(), *std::move(specs), std::move(pool->differing)};
  for (const config::v1::ClassConfig& one : config.classes()) {
    if (one.member_weight() == config::v1::MEMBER_WEIGHT_GUESTS) {
      change.weigh_guests.push_back(one.name());
    }
  }
  change.shed = TreeOptions(config).shed;
  return change;
}

}  // namespace

Protocols::Limits PlanLimits(const config::v1::Server& config) {
  return {.session = {.max_credit = config.max_credit(),
                      .max_payload = static_cast<uint32_t>(config.max_payload())},
          .max_agents = config.max_agents(),
          .max_gets = config.max_gets(),
          .shares = PlanShares(config)};
}

Dispatcher::Options PlanBudget(const config::v1::Server& config) {
  return {.max_in_flight = config.max_in_flight(),
          .message_bytes = static_cast<uint32_t>(config.max_payload())};
}

absl::StatusOr<Reconfigurer::Prepared> Reconfigurer::Prepare(const config::v1::Server& running,
                                                             const ServerPlan& next) {
  Prepared prepared;
  absl::StatusOr<std::unique_ptr<SupplyChange>> supply =
      parts_.supply->Prepare(next.config, next.locations);
  if (!supply.ok()) return supply.status();
  prepared.supply = *std::move(supply);
  if (!SameDoor(running, next.config)) {
    absl::StatusOr<Door::Options> door = PlanDoor(next.config, RaiseDescriptorLimit(), parts_.log);
    if (!door.ok()) return door.status();
    prepared.door = door->limits;
  }
  if (running.audit_log() != next.config.audit_log() ||
      AuditFormat(running) != AuditFormat(next.config)) {
    absl::StatusOr<std::unique_ptr<AdminAudit>> audit = AdminAudit::Open(
        next.config.audit_log(), AuditFormat(next.config), parts_.clock, parts_.log);
    if (!audit.ok()) return next.locations.At("audit_log", audit.status());
    prepared.audit = *std::move(audit);
  }
  prepared.new_classes = !SamePools(running, next.config);
  prepared.changes = ChangesBetween(running, next.config);
  AddOtherDevices(*prepared.supply, &prepared.changes);
  return prepared;
}

PoolsChange Reconfigurer::PlanPools(const ServerPlan& next, const SupplyChange& supply,
                                    std::vector<ClassChanges::EffectivePool> pools) const {
  PoolsChange change;
  change.removed = supply.pools.removed;
  for (size_t i = 0; i < pools.size(); ++i) {
    const config::v1::PoolConfig& config = pools[i].config;
    change.order.push_back(config.name());
    if (Pool* const pool = supply.NewPool(config.name())) {
      pool->SetChangeCallback([loop = parts_.loop] { loop->PoolsChanged(); });
      absl::StatusOr<PoolSetup> setup =
          MakePoolSetup(config, static_cast<int>(i), next.locations, pool);
      if (setup.ok()) {
        setup->differing = std::move(pools[i].differing);
        change.added.push_back(*std::move(setup));
      } else {
        TellFault(setup.status());
      }
    } else {
      absl::StatusOr<ClassesChange> classes = ChangeOf(&pools[i]);
      classes.ok() ? change.changed.push_back(*std::move(classes)) : TellFault(classes.status());
    }
  }
  return change;
}

void Reconfigurer::Apply(Prepared prepared, const ServerPlan& next) {
  *parts_.allow_recording = next.config.allow_recording();
  PoolsChange change;
  absl::Status changed;
  absl::Notification done;
  const auto post = [&] {
    parts_.loop->RunElsewhere([&](int64_t now_nanos) {
      if (prepared.new_classes) {
        changed = parts_.dispatcher->ChangePools(std::move(change), now_nanos);
      }
      parts_.dispatcher->SetBudget(PlanBudget(next.config));
      parts_.protocols->SetLimits(PlanLimits(next.config));
      done.Notify();
    });
  };
  if (prepared.new_classes) {
    // Posted under the lock of the class changes, so that a later change comes later. The wait is
    // not: the thread that runs the dispatcher may want that lock.
    parts_.classes->Reload(next.config, [&](std::vector<ClassChanges::EffectivePool> pools) {
      change = PlanPools(next, *prepared.supply, std::move(pools));
      post();
    });
  } else {
    post();
  }
  done.WaitForNotification();
  if (!changed.ok()) TellFault(changed);
  prepared.supply->Apply();
  if (prepared.door.has_value()) parts_.door->SetLimits(*prepared.door);
  if (prepared.audit != nullptr) parts_.audit->Become(std::move(prepared.audit));
}

void Reconfigurer::TellFault(const absl::Status& fault) const {
  parts_.log->Error("server.reload_fault", {{"error", fault}});
}

}  // namespace entropyd
