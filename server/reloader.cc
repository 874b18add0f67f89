#include "server/reloader.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_join.h"
#include "base/config/log_config.h"
#include "google/protobuf/util/message_differencer.h"

namespace entropyd {
namespace {

using google::protobuf::util::MessageDifferencer;

// The keys that a reload takes.
constexpr absl::string_view kReloadedKeys[] = {"tls", "policy", "log"};
// Bit 0 of the watch is server.yaml.
constexpr uint64_t kConfigChanged = 1;

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
  TellStaleLists();
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
  const uint64_t changed = watch_.Look();
  if (changed != 0 && !Reload("file").ok() && (changed & ~kConfigChanged) != 0) {
    TakeFiles();
  }
  AnswerWhoAsked();
  TellStaleLists();
}

void Reloader::TakeFiles() {
  absl::StatusOr<tls::Material> material = LoadFiles();
  if (!material.ok()) return;  // the reload has told of it
  std::vector<std::string> taken;
  if (TakeMaterial(*std::move(material), &taken)) TakeRules();
  TellTaken("file", taken);
}

Reloader::Outcome Reloader::Reload(absl::string_view cause) {
  watch_.Look();  // what changes from here on, the next look finds
  absl::StatusOr<ServerPlan> plan = load_();
  if (!plan.ok()) {
    report_.Failed(cause, plan.status());
    return plan.status();
  }
  report_.Succeeded();
  std::vector<std::string> taken;
  if (!MessageDifferencer::Equals(plan->config.log(), config_.log())) {
    ConfigureLog(plan->config.log(), parts_.log);
    taken.push_back("log");
  }
  const bool new_policy = !SamePolicy(plan->config, config_);
  std::vector<std::string> restart = RestartKeys(plan->config);
  config_ = std::move(plan->config);
  WatchFiles();
  policy_ = std::move(plan->policy);
  if (new_policy) taken.push_back("policy");
  const bool new_trust = TakeMaterial(std::move(plan->material), &taken);
  if (new_policy || new_trust) TakeRules();
  TellTaken(cause, taken);
  for (const std::string& key : restart) {
    parts_.log->Warning("server.needs_restart",
                        {{"key", key}, {"remedy", "restart the server to use its new value"}});
  }
  return restart;
}

bool Reloader::TakeMaterial(tls::Material material, std::vector<std::string>* taken) {
  const bool identity =
      material.cert_pem != material_.cert_pem || material.key_pem != material_.key_pem;
  const bool ca = material.ca_pem != material_.ca_pem;
  const bool crl = material.crl_pem != material_.crl_pem;
  material_ = std::move(material);
  if (identity) taken->push_back("cert");
  if (ca) taken->push_back("client_ca");
  if (crl) taken->push_back("crl");
  if (identity || ca) parts_.credentials->SetMaterial(material_);
  if (identity) parts_.certificate_end(material_.not_after);
  if (crl) stale_told_ = 0;
  return ca || crl;
}

void Reloader::TellTaken(absl::string_view cause, const std::vector<std::string>& taken) const {
  if (taken.empty()) return;
  parts_.log->Info("server.reloaded", {{"cause", cause}, {"taken", absl::StrJoin(taken, ",")}});
}

void Reloader::TakeRules() {
  parts_.gate->SetRules(policy_, material_.trust);
  parts_.loop->RunAndWait([this](int64_t now_nanos) { parts_.protocols->Recheck(now_nanos); });
  parts_.open_calls->Recheck(*parts_.gate);
}

std::vector<std::string> Reloader::RestartKeys(const config::v1::Server& config) const {
  std::vector<std::string> keys;
  const google::protobuf::Descriptor* const descriptor = config.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* const field = descriptor->field(i);
    if (absl::c_linear_search(kReloadedKeys, absl::string_view(field->name()))) continue;
    MessageDifferencer differ;
    if (!differ.CompareWithFields(started_, config, {field}, {field})) {
      keys.push_back(field->name());
    }
  }
  return keys;
}

void Reloader::Ask(Done done) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopped_) {
      asked_.push_back(std::move(done));
      return;
    }
  }
  done(absl::UnavailableError("reload: the server stops"));
}

void Reloader::AnswerWhoAsked() {
  std::vector<Done> asked;
  {
    absl::MutexLock lock(&mutex_);
    asked.swap(asked_);
  }
  if (asked.empty()) return;
  const Outcome outcome = Reload("operator");
  for (const Done& done : asked) done(outcome);
}

void Reloader::Stop() {
  std::vector<Done> asked;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    asked.swap(asked_);
  }
  for (const Done& done : asked) done(absl::UnavailableError("reload: the server stops"));
}

void Reloader::TellStaleLists() {
  const absl::Time due = material_.trust->next_update();
  next_crl_->Set(due == absl::InfiniteFuture() ? 0 : static_cast<double>(absl::ToUnixSeconds(due)));
  const std::vector<std::string> stale = material_.trust->StaleLists(clock_->WallTime());
  for (; stale_told_ < stale.size(); ++stale_told_) {
    parts_.log->Warning("crl.stale", {{"list", stale[stale_told_]},
                                      {"remedy", "install a newer list; this one still counts"}});
  }
}

}  // namespace entropyd
