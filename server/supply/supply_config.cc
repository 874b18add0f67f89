#include "server/supply/supply_config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "base/config/units.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/driver/getrandom_driver.h"
#include "server/health/health_monitor.h"
#include "server/pool/conditioner.h"

namespace entropyd {
namespace {

// Collects faults, so that one run shows them all.
class Faults {
 public:
  explicit Faults(const config::Locations& locations) : locations_(locations) {}

  void Add(absl::string_view path, absl::string_view message) {
    lines_.push_back(Line(path, message));
  }
  void AddLines(const std::vector<std::string>& lines) {
    lines_.insert(lines_.end(), lines.begin(), lines.end());
  }
  std::string Line(absl::string_view path, absl::string_view message) const {
    return std::string(locations_.Error(path, message).message());
  }
  absl::Status status() const {
    if (lines_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }
  size_t size() const { return lines_.size(); }

 private:
  const config::Locations& locations_;
  std::vector<std::string> lines_;
};

// The driver's claims, with the operator's figures in place of them.
SourceSpec MakeSpec(const config::v1::SourceConfig& config, const DriverEntry& driver) {
  SourceSpec spec;
  spec.name = config.name();
  spec.driver = driver.name;
  spec.identity = driver.identify(config);
  spec.explicit_min_entropy = config.has_min_entropy_bits_per_byte();
  if (!config.group().empty()) spec.identity.claims.group = config.group();
  if (config.silence() > 0) {
    spec.identity.claims.silence_nanos = static_cast<int64_t>(config.silence());
  }
  if (spec.explicit_min_entropy)
    spec.identity.claims.min_entropy = config.min_entropy_bits_per_byte();
  if (config.has_health_min_entropy_bits_per_byte()) {
    spec.identity.claims.health_min_entropy = config.health_min_entropy_bits_per_byte();
  } else {
    spec.identity.claims.health_min_entropy =
        std::max(spec.identity.claims.health_min_entropy, spec.identity.claims.min_entropy);
  }
  spec.own_group = spec.identity.claims.group;
  return spec;
}

// A source that goes on is what it was as long as its device does not say what it is.
void KeepRunning(const config::v1::SourceConfig& config, const std::vector<RunningSource>& running,
                 SourcePlan* planned) {
  for (const RunningSource& one : running) {
    if (one.spec.name != config.name() || !GoesOn(one, config, planned->spec)) continue;
    planned->stays = true;
    if (planned->spec.identity.known) return;
    planned->spec = one.spec;
    planned->spec.identity.claims.group = one.spec.own_group;
  }
}

void CheckClaims(const SourceSpec& spec, const std::string& at, Faults* faults) {
  const SourceClaims& claims = spec.identity.claims;
  if (!(claims.min_entropy >= 0 && claims.min_entropy <= 8)) {
    faults->Add(absl::StrCat(at, ".min_entropy_bits_per_byte"),
                absl::StrCat(claims.min_entropy, " bits per byte; write 0 to 8"));
    return;
  }
  if (claims.health_min_entropy < claims.min_entropy) {
    faults->Add(absl::StrCat(at, ".health_min_entropy_bits_per_byte"),
                absl::StrCat("the tests would assume ", claims.health_min_entropy,
                             " bits per byte while ", claims.min_entropy,
                             " are credited; raise it, or lower min_entropy_bits_per_byte"));
  }
  absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes});
  if (!test.ok()) {
    faults->Add(absl::StrCat(at, ".health_min_entropy_bits_per_byte"), test.status().message());
    return;
  }
  const double false_alarms =
      test->PermanentFalseAlarmsPerYear(static_cast<double>(claims.max_rate));
  if (false_alarms > kMaxPermanentFalseAlarmsPerYear) {
    faults->Add(absl::StrCat(at, ".max_rate"),
                absl::StrCat("at ", FormatRate(static_cast<double>(claims.max_rate)),
                             " a sound source would be latched by chance ", false_alarms,
                             " times a year; lower max_rate (2MiB/s is plenty for any pool)"));
  }
}

// As CheckName(); the drivers' own groups also have '/' and ':', and others may join them.
absl::Status CheckGroupName(absl::string_view group) {
  const std::string plain = absl::StrReplaceAll(group, {{"/", "-"}, {":", "-"}});
  return CheckName(plain);
}

void CheckNames(const config::v1::SourceConfig& source, const std::string& at, Faults* faults) {
  if (const absl::Status name = CheckName(source.name()); !name.ok()) {
    faults->Add(absl::StrCat(at, ".name"), absl::StrCat("no source name: ", name.message()));
  }
  if (source.group().empty()) return;
  if (const absl::Status group = CheckGroupName(source.group()); !group.ok()) {
    faults->Add(absl::StrCat(at, ".group"), absl::StrCat("no group name: ", group.message()));
  }
}

void PlanSource(const config::v1::Server& config, int index,
                const std::vector<RunningSource>& running, SupplyPlan* plan, Faults* faults) {
  const config::v1::SourceConfig& source = config.sources(index);
  const std::string at = absl::StrCat("sources[", index, "]");
  CheckNames(source, at, faults);
  for (int i = 0; i < index; ++i) {
    if (config.sources(i).name() == source.name()) {
      faults->Add(absl::StrCat(at, ".name"), absl::StrCat("'", source.name(), "' names sources[", i,
                                                          "] already; choose another"));
    }
  }
  const DriverEntry* driver = FindDriver(source.driver());
  if (driver == nullptr) {
    const auto name = [](std::string* out, const DriverEntry& e) { absl::StrAppend(out, e.name); };
    faults->Add(absl::StrCat(at, ".driver"),
                absl::StrCat("'", source.driver(), "' is no driver; there are ",
                             absl::StrJoin(BuiltIns(), ", ", name)));
    return;
  }
  if (const ConfigFault fault = CheckKeys(*driver, source); fault.key != nullptr) {
    faults->Add(absl::StrCat(at, ".", fault.key), fault.message);
    return;
  }
  SourcePlan planned{MakeSpec(source, *driver), driver, index};
  KeepRunning(source, running, &planned);
  if (planned.spec.identity.software() && !config.allow_software()) {
    faults->Add(absl::StrCat(at, ".driver"),
                absl::StrCat("driver ", driver->name,
                             " is software; name a hardware source, or write allow_software: true "
                             "(tests and demonstrations only)"));
  }
  CheckClaims(planned.spec, at, faults);
  plan->sources.push_back(std::move(planned));
}

// Two tokens of one module may be one device. Only their serial numbers tell, when they are open.
void WarnOfModules(SupplyPlan* plan, const config::v1::Server& config, const Faults& faults) {
  const auto module_of = [&](const SourcePlan& source) {
    const std::string& module = config.sources(source.index).module();
    return module.empty() ? "" : RootOfPath(module);
  };
  for (size_t i = 0; i < plan->sources.size(); ++i) {
    const SourceSpec& other = plan->sources[i].spec;
    const std::string module = module_of(plan->sources[i]);
    for (size_t j = 0; j < i && !module.empty(); ++j) {
      const SourceSpec& one = plan->sources[j].spec;
      if (module_of(plan->sources[j]) != module || one.identity.root == other.identity.root ||
          one.identity.claims.group == other.identity.claims.group) {
        continue;
      }
      plan->warnings.push_back(faults.Line(
          absl::StrCat("sources[", plan->sources[i].index, "].token"),
          absl::StrCat("'", other.name, "' and '", one.name,
                       "' are tokens of one module. If they are one device, its serial number "
                       "tells when they are open, and they count once from then on; give both the "
                       "same group if the device has several serial numbers")));
      break;
    }
  }
}

// Names the sources that have one root, and puts them into one group.
void ShareGroups(SupplyPlan* plan, const config::v1::Server& config, const Faults& faults) {
  std::vector<Kin> kin;
  for (const SourcePlan& source : plan->sources) {
    kin.push_back({source.spec.identity.claims.group, source.spec.identity.root});
  }
  for (size_t i = 0; i < kin.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const SourceSpec& one = plan->sources[j].spec;
      const SourceSpec& other = plan->sources[i].spec;
      if (kin[i].root.empty() || kin[i].root != kin[j].root) continue;
      const bool same_driver = one.driver == other.driver;
      if (!same_driver && kin[i].group == kin[j].group) continue;  // known to be related
      plan->warnings.push_back(faults.Line(
          absl::StrCat("sources[", plan->sources[i].index, "].name"),
          absl::StrCat("'", other.name, "' and '", one.name, "' draw from one generator (",
                       kin[i].root, "), so they count once whatever their groups; remove one",
                       same_driver ? "" : ", or give both the same group")));
      break;
    }
  }
  WarnOfModules(plan, config, faults);
  const std::vector<size_t> first = CountTogether(kin);
  std::vector<std::string> groups;
  groups.reserve(first.size());
  for (const size_t f : first) groups.emplace_back(kin[f].group);
  for (size_t i = 0; i < groups.size(); ++i) {
    plan->sources[i].spec.identity.claims.group = groups[i];
  }
}

void PlanMembers(const config::v1::Server& config, const config::v1::PoolConfig& pool,
                 const std::string& at, const SupplyPlan& plan, EntropyPool::Options* options,
                 Faults* faults) {
  std::vector<const SourceSpec*> specs;
  for (int i = 0; i < pool.sources_size(); ++i) {
    const std::string& name = pool.sources(i);
    const std::string here = absl::StrCat(at, ".sources[", i, "]");
    const auto found = std::find_if(plan.sources.begin(), plan.sources.end(),
                                    [&](const SourcePlan& s) { return s.spec.name == name; });
    if (found == plan.sources.end()) {
      // A source that is missing for a fault of its own has been reported already.
      const auto& all = config.sources();
      if (std::any_of(all.begin(), all.end(), [&](const auto& s) { return s.name() == name; })) {
        continue;
      }
      faults->Add(here, absl::StrCat("no source is called '", name, "'; define it under sources:"));
    } else if (std::count(specs.begin(), specs.end(), &found->spec) > 0) {
      faults->Add(here, absl::StrCat("'", name, "' is listed twice; remove one"));
    } else {
      specs.push_back(&found->spec);
    }
  }
  const bool software_only = std::all_of(
      specs.begin(), specs.end(), [](const SourceSpec* s) { return s->identity.software(); });
  for (const SourceSpec* spec : specs) {
    double min_entropy = spec->identity.claims.min_entropy;
    // Beside hardware a software source counts for nothing. Alone its claim counts.
    if (software_only && !spec->explicit_min_entropy) min_entropy = kSoftwareOnlyMinEntropy;
    options->members.push_back({.source = spec->name,
                                .group = spec->identity.claims.group,
                                .root = spec->identity.root,
                                .min_entropy = min_entropy,
                                .software = spec->identity.software()});
  }
}

void CheckGroups(const EntropyPool::Options& options, const SupplyPlan& plan, const std::string& at,
                 Faults* faults) {
  std::set<std::string> groups;
  for (const EntropyPool::Member& member : options.members) {
    if (member.min_entropy > 0) groups.insert(member.group);
  }
  if (groups.empty()) {
    faults->Add(absl::StrCat(at, ".sources"),
                "no source of this pool is credited with entropy, so it could never become ready; "
                "add one with min_entropy_bits_per_byte above 0");
  } else if (options.min_healthy_groups > groups.size()) {
    faults->Add(absl::StrCat(at, ".min_healthy_groups"),
                absl::StrCat(options.min_healthy_groups, " groups, but the credited sources form ",
                             groups.size(), " (", absl::StrJoin(groups, ", "),
                             "); lower it, or add a source of another group"));
    faults->AddLines(plan.warnings);  // which of them may be why
  }
}

// The shortest time between two seeds that a source can give. Its bytes come in whole blocks of the
// health tests, a seed takes a conditioned block, and a new seed is made only after
// reseed_interval.
double SecondsPerSeed(const SourceClaims& claims, double min_entropy, double reseed_interval) {
  const absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(
      {.min_entropy = claims.health_min_entropy, .word_bytes = claims.word_bytes});
  if (!test.ok() || claims.max_rate == 0) return 0;
  const auto rate = static_cast<double>(claims.max_rate);
  const double bytes = std::max(Conditioner::kBlockEntropyBits / min_entropy,
                                static_cast<double>(Conditioner::kBlockInputBytes));
  const double block_seconds = static_cast<double>(test->block_bytes()) / rate;
  return block_seconds * std::ceil(std::max(bytes / rate, reseed_interval) / block_seconds);
}

// Refuses a pool whose seeds cannot come as often as it needs them, even when every source gives
// all that its max_rate allows.
void CheckSeedAge(const EntropyPool::Options& options, const SupplyPlan& plan,
                  const std::string& at, Faults* faults) {
  // By group, because the sources of a group are worth as much as the best of them.
  std::map<std::string, double> seconds;
  for (const EntropyPool::Member& member : options.members) {
    if (member.min_entropy <= 0) continue;
    const auto source =
        std::find_if(plan.sources.begin(), plan.sources.end(),
                     [&](const SourcePlan& s) { return s.spec.name == member.source; });
    const double own = SecondsPerSeed(source->spec.identity.claims, member.min_entropy,
                                      ToSeconds(options.reseed_interval_nanos));
    const auto group = seconds.emplace(member.group, own).first;
    group->second = std::min(group->second, own);
  }
  // The pool needs a fresh seed of this many groups, so the fastest ones decide.
  std::vector<std::pair<double, std::string>> order;
  order.reserve(seconds.size());
  for (const auto& [group, own] : seconds) order.emplace_back(own, group);
  if (order.size() < options.min_healthy_groups) return;
  std::sort(order.begin(), order.end());
  const auto& [slowest, group] = order[options.min_healthy_groups - 1];
  if (slowest <= ToSeconds(options.max_seed_age_nanos)) return;
  faults->Add(absl::StrCat(at, ".max_seed_age"),
              absl::StrCat("group ", group, " gives a seed at best every ", FormatDuration(slowest),
                           " (by max_rate and "
                           "min_entropy_bits_per_byte of its sources), so the pool would be "
                           "suspended in between; make max_seed_age longer, or raise max_rate if "
                           "the device gives more"));
}

void PlanPool(const config::v1::Server& config, int index, SupplyPlan* plan, Faults* faults) {
  const config::v1::PoolConfig& pool = config.pools(index);
  const std::string at = absl::StrCat("pools[", index, "]");
  if (const absl::Status name = CheckName(pool.name()); !name.ok()) {
    faults->Add(absl::StrCat(at, ".name"), absl::StrCat("no pool name: ", name.message()));
  }
  for (int i = 0; i < index; ++i) {
    if (config.pools(i).name() == pool.name()) {
      faults->Add(absl::StrCat(at, ".name"),
                  absl::StrCat("'", pool.name(), "' names pools[", i, "] already; choose another"));
    }
  }
  EntropyPool::Options options;
  options.name = pool.name();
  options.quality =
      pool.quality() == config::v1::POOL_QUALITY_FULL ? v1::QUALITY_FULL : v1::QUALITY_DRBG;
  options.min_healthy_groups = std::max<uint32_t>(1, pool.min_healthy_groups());
  options.capacity_bytes = pool.capacity();
  options.reseed_interval_nanos = static_cast<int64_t>(pool.reseed_interval());
  options.max_seed_age_nanos = static_cast<int64_t>(pool.max_seed_age());
  if (options.max_seed_age_nanos <= options.reseed_interval_nanos) {
    faults->Add(absl::StrCat(at, ".max_seed_age"),
                "the pool would be suspended before it is reseeded; make it longer than "
                "reseed_interval");
  }
  const size_t faults_before = faults->size();
  PlanMembers(config, pool, at, *plan, &options, faults);
  const bool sources_sound = plan->sources.size() == static_cast<size_t>(config.sources_size());
  if (faults->size() == faults_before && sources_sound) {
    CheckGroups(options, *plan, at, faults);
    if (options.max_seed_age_nanos > options.reseed_interval_nanos) {
      CheckSeedAge(options, *plan, at, faults);
    }
  }
  plan->pools.push_back(std::move(options));
}

}  // namespace

bool GoesOn(const RunningSource& running, const config::v1::SourceConfig& config,
            const SourceSpec& found) {
  if (!google::protobuf::util::MessageDifferencer::Equals(running.config, config)) return false;
  if (!found.identity.known) return true;
  // Others may have given it their group.
  SourceClaims claims = running.spec.identity.claims;
  claims.group = running.spec.own_group;
  return running.spec.identity.nature == found.identity.nature && claims == found.identity.claims;
}

absl::StatusOr<SupplyPlan> PlanSupply(const config::v1::Server& config,
                                      const config::Locations& locations,
                                      const std::vector<RunningSource>& running) {
  SupplyPlan plan;
  Faults faults(locations);
  for (int i = 0; i < config.sources_size(); ++i) PlanSource(config, i, running, &plan, &faults);
  ShareGroups(&plan, config, faults);
  for (int i = 0; i < config.pools_size(); ++i) PlanPool(config, i, &plan, &faults);
  if (absl::Status status = faults.status(); !status.ok()) return status;
  return plan;
}

}  // namespace entropyd
