#include "server/server_plan.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/process/host_port.h"
#include "base/process/listen_socket.h"
#include "base/process/state_dir.h"
#include "server/classes/class_state_file.h"
#include "server/config_warnings.h"
#include "server/dispatch/class_table.h"
#include "server/door_config.h"
#include "server/policy_names.h"
#include "server/rpc/admin_audit.h"
#include "server/shares_config.h"
#include "server/supply/supply.h"

namespace entropyd {
namespace {

// Marks a fault that TimeMayMend().
constexpr char kTimeMayMend[] = "entropyd/time-may-mend";

// Where the server answers over HTTP, and where it keeps its state and its audit.
absl::Status CheckPlaces(const config::v1::Server& config, const config::Locations& locations) {
  if (!config.metrics().empty()) {
    const absl::Status address = ParseHostPort(config.metrics()).status();
    if (!address.ok()) return locations.Error("metrics", address.message());
  }
  if (WantOneSocket(config.metrics(), config.listen())) {
    return locations.Error("metrics", absl::StrCat("'", config.metrics(), "' is taken by listen (",
                                                   config.listen(), "); choose another port"));
  }
  const absl::Status audit = AdminAudit::Check(config.audit_log());
  if (!audit.ok()) return locations.Error("audit_log", audit.message());
  if (config.state_dir().empty()) return absl::OkStatus();
  const absl::Status directory = CheckStateDir(config.state_dir());
  return directory.ok() ? directory : locations.Error("state_dir", directory.message());
}

// What a start opens and a reload does not. Errors: UNAVAILABLE when it may be different later.
absl::Status CheckAddresses(const config::v1::Server& config, const config::Locations& locations) {
  absl::Status listen = CheckListen(config.listen());
  if (!listen.ok()) return locations.At("listen", listen);
  if (config.metrics().empty()) return absl::OkStatus();
  absl::Status metrics = CheckListen(config.metrics());
  return metrics.ok() ? metrics : locations.At("metrics", metrics);
}

}  // namespace

absl::StatusOr<ServerPlan> ServerPlan::Check(config::v1::Server config, config::Locations locations,
                                             const Clock& clock, Supplied supplied) {
  std::vector<std::string> warnings = ConfigWarnings(config, locations);
  std::vector<std::string> supply_warnings;
  absl::Status door = CheckDoor(config, locations);
  if (!door.ok()) return door;
  absl::Status shares = CheckShares(config, locations);
  if (!shares.ok()) return shares;
  absl::Status places = CheckPlaces(config, locations);
  if (!places.ok()) return places;
  if (supplied == Supplied::kFromNothing) {
    absl::Status addresses = CheckAddresses(config, locations);
    if (!addresses.ok()) return addresses;
    absl::Status supply = Supply::Check(config, locations, &supply_warnings);
    if (!supply.ok()) return supply;
  }
  for (int i = 0; i < config.pools_size(); ++i) {
    absl::Status pool = MakePoolSetup(config.pools(i), i, locations, nullptr).status();
    if (!pool.ok()) return pool;
  }
  if (absl::Status names = CheckPolicyNames(config, locations); !names.ok()) return names;
  absl::StatusOr<Policy> policy = Policy::Create(config, locations);
  if (!policy.ok()) return policy.status();
  if (absl::Status draws = Policy::CheckDraws(config, locations); !draws.ok()) return draws;
  absl::StatusOr<tls::Material> material =
      tls::LoadMaterial(config.tls().cert(), config.tls().key(), config.tls().client_ca(),
                        config.tls().crl(), clock.WallTime());
  if (!material.ok()) {
    const absl::string_view key = tls::MaterialKey(material.status());
    const std::string path = key.empty()   ? "tls"
                             : key == "ca" ? "tls.client_ca"
                                           : absl::StrCat("tls.", key);
    absl::Status fault = locations.At(path, material.status());
    fault.SetPayload(kTimeMayMend, absl::Cord());
    return fault;
  }
  if (!NamesAHost(material->cert_pem)) {
    warnings.emplace_back(
        locations
            .Error("tls.cert",
                   absl::StrCat(config.tls().cert(), " has neither a DNS name nor an IP ",
                                "address, so an agent cannot tell that it is the ",
                                "server it has dialled; issue one with the name that ",
                                "agents dial (entropyctl pki issue --dns NAME)"))
            .message());
  }
  config::v1::ClassState class_state;
  if (!config.state_dir().empty()) {
    absl::StatusOr<config::v1::ClassState> kept = LoadClassState(config.state_dir());
    if (!kept.ok()) return kept.status();
    class_state = *std::move(kept);
  }
  return ServerPlan{std::move(config),         std::move(locations),   *std::move(policy),
                    *std::move(material),      std::move(class_state), std::move(warnings),
                    std::move(supply_warnings)};
}

bool ServerPlan::TimeMayMend(const absl::Status& fault) {
  return fault.GetPayload(kTimeMayMend).has_value();
}

}  // namespace entropyd
