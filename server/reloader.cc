#include "server/reloader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/log_config.h"
#include "base/process/nanos.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/config_changes.h"

namespace entropyd {
namespace {

using google::protobuf::util::MessageDifferencer;

// A line for each change would fill the log when a file with thousands of classes is new.
constexpr size_t kMaxLines = 200;
// The watch is often quicker than an operator who changes a file and asks for a reload. So the
// answer also tells what it took in this time.
constexpr int64_t kUntoldNanos = kMinuteNanos;
// Who changes files without a pause must not fill the memory.
constexpr size_t kMaxUntold = 1000;
constexpr absl::string_view kRetry = "retry";
constexpr int64_t kRetryNanos = 10 * kSecondNanos;
// The place of server.yaml among the files that are watched.
constexpr uint64_t kConfigBit = 1;

bool SamePolicy(const config::v1::Server& a, const config::v1::Server& b) {
  config::v1::Server left, right;
  *left.mutable_policy() = a.policy();
  *right.mutable_policy() = b.policy();
  return MessageDifferencer::Equals(left, right);
}

}  // namespace

Reloader::Reloader(Load load, std::string config_path, const ServerPlan& running, Parts parts,
                   const Clock* clock, Metrics* metrics)
    : load_(std::move(load)),
      config_path_(std::move(config_path)),
      parts_(std::move(parts)),
      clock_(clock),
      report_(clock, parts_.log, metrics),
      next_crl_(metrics->AddGauge("entropyd_crl_next_update_timestamp_seconds",
                                  "When the first CRL is due to be replaced, in Unix time; 0 = "
                                  "none is.")),
      started_(running.config),
      config_(running.config),
      policy_(running.policy),
      material_(running.material) {
  WatchFiles();
  // What changed between the reading and now is noticed, because the watch knows nothing yet.
  TellWhatIsOld();
}

void Reloader::WatchFiles() {
  watch_.Set({config_path_, config_.tls().cert(), config_.tls().key(), config_.tls().client_ca(),
              config_.tls().crl()});
}

absl::StatusOr<tls::Material> Reloader::LoadFiles() const {
  return tls::LoadMaterial(config_.tls().cert(), config_.tls().key(), config_.tls().client_ca(),
                           config_.tls().crl(), clock_->WallTime());
}

void Reloader::Tick() {
  // Those who were told to go at an earlier tick, and do not read that, are cancelled now.
  parts_.open_calls->Recheck(*parts_.gate);
  const uint64_t changed = watch_.Look() | std::exchange(unread_, 0);
  if ((changed & kConfigBit) != 0) {
    AwaitRest(changed);
  } else {
    const bool rests_now = std::exchange(restless_since_nanos_, kNever) != kNever;
    const std::vector<Asked> asked = TakeAsked();
    if (!asked.empty()) {
      const Outcome outcome = Take(asked.front().cause);
      for (const Asked& one : asked) one.done(outcome);
    } else if (rests_now || changed != 0) {
      Take("file").IgnoreError();
    } else if (clock_->NowNanos() >= retry_at_nanos_) {
      Take(kRetry).IgnoreError();
    }
  }
  TellWhatIsOld();
}

void Reloader::AwaitRest(uint64_t changed) {
  const int64_t now = clock_->NowNanos();
  restless_since_nanos_ = std::min(restless_since_nanos_, now);
  if ((changed & ~kConfigBit) != 0) TakeFiles();
  if (now - restless_since_nanos_ < kLongestUnrestNanos) return;
  restless_since_nanos_ = now;
  const absl::Status fault = absl::UnavailableError(absl::StrCat(
      "read ", config_path_, ": it has been changing for ", kLongestUnrestNanos / kSecondNanos,
      " s; write the new one beside it, and rename it"));
  report_.Failed("file", fault);
  for (const Asked& one : TakeAsked()) one.done(fault);
}

absl::StatusOr<tls::Material> Reloader::LoadTrust() const {
  absl::StatusOr<tls::Authorities> authorities =
      tls::LoadAuthorities(config_.tls().client_ca(), config_.tls().crl());
  if (!authorities.ok()) return authorities.status();
  tls::Material material = material_;
  material.ca_pem = std::move(authorities->ca_pem);
  material.crl_pem = std::move(authorities->crl_pem);
  material.trust = std::move(authorities->trust);
  return material;
}

void Reloader::TakeFiles() {
  absl::StatusOr<tls::Material> material = LoadFiles();
  if (!material.ok()) material = LoadTrust();
  if (!material.ok()) return;
  std::vector<ConfigChange> changes;
  if (TakeMaterial(*std::move(material), &changes)) TakeRules();
  TellTaken("file", changes);
}

Reloader::Outcome Reloader::Take(absl::string_view cause) {
  Outcome outcome = TakeAll(cause);
  if (!outcome.ok()) {
    TakeFiles();
    // A retry that finds the same is no news.
    if (cause != kRetry || outcome.status().message() != report_.problem()) {
      report_.Failed(cause, outcome.status());
    }
    retry_at_nanos_ = clock_->NowNanos() + kRetryNanos;
    return outcome;
  }
  retry_at_nanos_ = kNever;
  cause == kOperator ? TellUntold(&*outcome) : KeepUntold(*outcome);
  return outcome;
}

void Reloader::KeepUntold(const ReloadOutcome& outcome) {
  DropOld();
  for (const ConfigChange& change : outcome.changes) {
    if (untold_.size() >= kMaxUntold) untold_.pop_front();
    untold_.push_back({clock_->NowNanos(), change});
  }
}

void Reloader::TellUntold(ReloadOutcome* outcome) {
  DropOld();
  std::vector<ConfigChange> all;
  for (Untold& one : untold_) all.push_back(std::move(one.change));
  untold_.clear();
  all.insert(all.end(), outcome->changes.begin(), outcome->changes.end());
  outcome->changes = std::move(all);
}

void Reloader::DropOld() {
  while (!untold_.empty() && untold_.front().at_nanos < clock_->NowNanos() - kUntoldNanos) {
    untold_.pop_front();
  }
}

// A file that ends within its policy is valid, and shuts out all who stood below.
absl::Status Reloader::CheckNoRoleIsLost(const ServerPlan& plan) const {
  const std::pair<config::v1::Role, const char*> roles[] = {
      {config::v1::ROLE_AGENT, "agent"},
      {config::v1::ROLE_READER, "reader"},
      {config::v1::ROLE_OPERATOR, "operator"}};
  for (const auto& [role, name] : roles) {
    if (!policy_.knows(role) || plan.policy.knows(role)) continue;
    return plan.locations.Error(
        "policy", absl::StrCat("no rule has role: ", name, " any more, so every ", name,
                               " would be shut out; is the file whole? restart the server if "
                               "this is meant"));
  }
  return absl::OkStatus();
}

Reloader::Outcome Reloader::TakeAll(absl::string_view cause) {
  absl::StatusOr<ServerPlan> plan = load_();
  const uint64_t meanwhile = watch_.Look();
  unread_ |= meanwhile & ~kConfigBit;
  if ((meanwhile & kConfigBit) != 0) {
    restless_since_nanos_ = clock_->NowNanos();
    return absl::UnavailableError(absl::StrCat(
        "read ", config_path_, ": it changed meanwhile; it is read again when it stops changing"));
  }
  // Without the mark of ServerPlan::TimeMayMend(), which is for the start.
  if (!plan.ok()) return absl::Status(plan.status().code(), plan.status().message());
  if (absl::Status lost = CheckNoRoleIsLost(*plan); !lost.ok()) return lost;
  absl::StatusOr<Reconfigurer::Prepared> prepared = parts_.reconfigurer->Prepare(config_, *plan);
  if (!prepared.ok()) return prepared.status();
  report_.Succeeded();
  ReloadOutcome outcome;
  outcome.changes = std::move(prepared->changes);
  if (!MessageDifferencer::Equals(plan->config.log(), config_.log())) {
    ConfigureLog(plan->config.log(), parts_.log);
    outcome.changes.push_back({.kind = ConfigChange::Kind::kLog});
  }
  const bool new_policy = !SamePolicy(plan->config, config_);
  if (new_policy) outcome.changes.push_back({.kind = ConfigChange::Kind::kPolicy});
  policy_ = plan->policy;
  const bool new_trust = TakeMaterial(plan->material, &outcome.changes);
  const bool new_rules = new_policy || new_trust;
  if (new_rules) parts_.gate->SetRules(policy_, material_.trust);
  parts_.reconfigurer->Apply(*std::move(prepared), *plan);
  if (new_rules) RecheckPeers(parts_.loop, parts_.protocols);
  parts_.open_calls->Recheck(*parts_.gate);
  if (new_rules) parts_.door->Recheck();
  parts_.gate->SetCallLimit(plan->config.max_calls_per_identity_per_second());
  outcome.needs_restart = RestartKeys(started_, plan->config);
  report_.SetNeedsRestart(outcome.needs_restart);
  config_ = std::move(plan->config);
  WatchFiles();
  TellTaken(cause, outcome.changes);
  for (const std::string& key : outcome.needs_restart) {
    parts_.log->Warning("server.needs_restart",
                        {{"key", key}, {"remedy", "restart the server to use its new value"}});
  }
  return outcome;
}

bool Reloader::TakeMaterial(tls::Material material, std::vector<ConfigChange>* changes) {
  const bool identity =
      material.cert_pem != material_.cert_pem || material.key_pem != material_.key_pem;
  const bool ca = material.ca_pem != material_.ca_pem;
  const bool crl = material.crl_pem != material_.crl_pem;
  material_ = std::move(material);
  if (identity) changes->push_back({.kind = ConfigChange::Kind::kCertificate});
  if (ca) changes->push_back({.kind = ConfigChange::Kind::kClientCa});
  if (crl) changes->push_back({.kind = ConfigChange::Kind::kRevocations});
  if (identity || ca) parts_.credentials->SetMaterial(material_);
  if (identity) parts_.certificate_end(material_.not_after);
  if (crl) stale_told_.clear();
  return ca || crl;
}

void Reloader::TellTaken(absl::string_view cause, const std::vector<ConfigChange>& changes) const {
  if (changes.empty()) return;
  std::map<absl::string_view, size_t> kinds;
  for (const ConfigChange& change : changes) ++kinds[change.KindText()];
  const std::string taken = absl::StrJoin(
      kinds, ",", [](std::string* out, const std::pair<const absl::string_view, size_t>& k) {
        absl::StrAppend(out, k.first);
      });
  parts_.log->Info("server.reloaded", {{"cause", cause},
                                       {"taken", taken},
                                       {"changes", changes.size()},
                                       {"sources", kinds["source"]},
                                       {"pools", kinds["pool"]},
                                       {"classes", kinds["class"]},
                                       {"limits", kinds["limit"]}});
  for (size_t i = 0; i < std::min(changes.size(), kMaxLines); ++i) {
    const ConfigChange& change = changes[i];
    parts_.log->Info("config.changed", {{"kind", change.KindText()},
                                        {"change", change.WhatText()},
                                        {"name", change.name},
                                        {"detail", change.detail}});
  }
  if (changes.size() > kMaxLines) {
    parts_.log->Info("config.changed", {{"more", changes.size() - kMaxLines}});
  }
}

void Reloader::TakeRules() {
  parts_.gate->SetRules(policy_, material_.trust);
  RecheckPeers(parts_.loop, parts_.protocols);
  parts_.open_calls->Recheck(*parts_.gate);
  parts_.door->Recheck();
}

void Reloader::Ask(std::string cause, Done done) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopped_) {
      asked_.push_back({std::move(cause), std::move(done)});
      return;
    }
  }
  done(absl::UnavailableError("reload: the server stops"));
}

bool Reloader::awaited() const {
  absl::MutexLock lock(&mutex_);
  return restless_since_nanos_ != kNever && !asked_.empty();
}

std::vector<Reloader::Asked> Reloader::TakeAsked() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(asked_, {});
}

void Reloader::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  for (const Asked& one : TakeAsked()) {
    one.done(absl::UnavailableError("reload: the server stops"));
  }
}

void Reloader::TellWhatIsOld() {
  const bool expired = clock_->WallTime() >= material_.not_after;
  if (expired && !expiry_told_) {
    parts_.log->Error(
        "certificate.expired",
        {{"path", config_.tls().cert()},
         {"reason",
          absl::StrCat("it expired at ", absl::FormatTime(material_.not_after, absl::UTCTimeZone()),
                       "; nobody new gets in")},
         {"remedy", "put a new one in its place: the server takes it at once"}});
  }
  expiry_told_ = expired;
  const absl::Time due = material_.trust->next_update();
  next_crl_->Set(due == absl::InfiniteFuture() ? 0 : static_cast<double>(absl::ToUnixSeconds(due)));
  for (const std::string& list : material_.trust->StaleLists(clock_->WallTime())) {
    if (!stale_told_.insert(list).second) continue;
    parts_.log->Warning(
        "crl.stale", {{"list", list}, {"remedy", "install a newer list; this one still counts"}});
  }
}

}  // namespace entropyd
