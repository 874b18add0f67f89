#include "server/access/gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace entropyd {

Counter* AddDenialCounter(Metrics* metrics, const std::string& reason) {
  return metrics->AddCounter("entropyd_denials_total",
                             "Streams, channels and calls that were refused, by reason.",
                             {{"reason", reason}});
}

Gate::Gate(Policy policy, std::shared_ptr<const tls::Trust> trust, const Clock* clock, Log* log,
           Metrics* metrics)
    : clock_(clock),
      log_(log),
      denied_identity_(AddDenialCounter(metrics, "identity")),
      denied_revoked_(AddDenialCounter(metrics, "revoked")),
      denied_expired_(AddDenialCounter(metrics, "expired")),
      denied_untrusted_(AddDenialCounter(metrics, "untrusted")),
      denied_role_(AddDenialCounter(metrics, "role")),
      denied_calls_(AddDenialCounter(metrics, "calls_per_identity")),
      denied_connections_(AddDenialCounter(metrics, "connections_per_identity")),
      rules_(new Rules{std::move(policy), std::move(trust), 1}) {}

void Gate::SetRules(Policy policy, std::shared_ptr<const tls::Trust> trust) {
  std::vector<std::shared_ptr<const PeerCertificate>> used;
  std::shared_ptr<const Rules> rules;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& certificate : remembered_) {
      if (certificate.use_count() > 1) used.push_back(certificate);
    }
    rules.reset(new Rules{std::move(policy), std::move(trust), rules_->number + 1});
    rules_ = rules;
  }
  const absl::Time now = clock_->WallTime();
  for (const auto& certificate : used) {
    certificate->Check(*rules->trust, rules->number, now).IgnoreError();
  }
}

std::shared_ptr<const PeerCertificate> Gate::Certificate(const Caller& caller) const {
  return Remembered(caller.cert_pem, caller.chain_pem);
}

std::shared_ptr<const PeerCertificate> Gate::Remembered(absl::string_view leaf_pem,
                                                        absl::string_view chain_pem) const {
  {
    absl::MutexLock lock(&mutex_);
    const auto it = remembered_.find(Papers{leaf_pem, chain_pem});
    if (it != remembered_.end()) return *it;
  }
  auto certificate = std::make_shared<const PeerCertificate>(leaf_pem, chain_pem);
  absl::MutexLock lock(&mutex_);
  if (remembered_.size() >= forget_at_ || remembered_bytes_ >= forget_at_bytes_) ForgetUnused();
  const auto [it, is_new] = remembered_.insert(std::move(certificate));
  if (is_new) remembered_bytes_ += Papers(*it).bytes();
  return *it;
}

void Gate::ForgetUnused() const {
  absl::erase_if(remembered_, [](const auto& certificate) { return certificate.use_count() == 1; });
  remembered_bytes_ = 0;
  for (const auto& certificate : remembered_) remembered_bytes_ += Papers(certificate).bytes();
  forget_at_ = std::max(kMaxRemembered, 2 * remembered_.size());
  forget_at_bytes_ = std::max(kMaxRememberedBytes, 2 * remembered_bytes_);
}

size_t Gate::remembered_bytes() const {
  absl::MutexLock lock(&mutex_);
  return remembered_bytes_;
}

Gate::Refused Gate::JudgeCertificate(const PeerCertificate& certificate, const Rules& rules,
                                     absl::string_view call) const {
  const absl::StatusOr<std::string>& identity = certificate.identity();
  if (!identity.ok()) {
    return {absl::UnauthenticatedError(absl::StrCat(
                call, ": the certificate names nobody: ", identity.status().message())),
            "identity", denied_identity_, tls::Refusal::kName};
  }
  const std::string of = absl::StrCat(call, ": the certificate of ", *identity, " ");
  const absl::Time now = clock_->WallTime();
  const absl::Status trusted = certificate.Check(*rules.trust, rules.number, now);
  if (!trusted.ok()) {
    absl::Status why = absl::UnauthenticatedError(absl::StrCat(of, trusted.message()));
    if (!absl::IsPermissionDenied(trusted)) {
      return {std::move(why), "untrusted", denied_untrusted_, tls::Refusal::kUntrusted};
    }
    return {std::move(why), "revoked", denied_revoked_, tls::Refusal::kRevoked};
  }
  if (now < certificate.not_after()) return {};
  return {
      absl::UnauthenticatedError(absl::StrCat(
          of, "expired at ",
          absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", certificate.not_after(), absl::UTCTimeZone()))),
      "expired", denied_expired_, tls::Refusal::kExpired};
}

Gate::Refused Gate::Judge(const PeerCertificate& certificate, const Rules& rules,
                          absl::string_view call, Roles roles) const {
  Refused refused = JudgeCertificate(certificate, rules, call);
  if (!refused.status.ok()) return refused;
  const std::string& identity = *certificate.identity();
  for (const config::v1::Role role : roles) {
    if (rules.policy.CheckRole(identity, role).ok()) return {};
  }
  return {rules.policy.CheckRole(identity, roles[0]), "role", denied_role_, tls::Refusal::kRole};
}

tls::Examiner::Verdict Gate::Examine(absl::string_view leaf_pem, absl::string_view chain_pem,
                                     std::shared_ptr<const PeerCertificate>* certificate) const {
  *certificate = Remembered(leaf_pem, chain_pem);
  // After the certificate is remembered: SetRules() looks at it, or these are the new rules.
  const std::shared_ptr<const Rules> rules = this->rules();
  const Refused refused = JudgeCertificate(**certificate, *rules, "handshake");
  const std::string identity = (*certificate)->identity().value_or("");
  if (!refused.status.ok()) {
    refused.counter->Increment();
    absl::string_view problem = refused.status.message();
    const std::string named = absl::StrCat(identity, " ");
    const size_t name = problem.find(named);
    problem.remove_prefix(name == absl::string_view::npos ? 0 : name + named.size());
    return {refused.kind, identity, std::string(problem)};
  }
  if (rules->policy.HasAnyRole(identity)) return {};
  denied_role_->Increment();
  return {tls::Refusal::kRole, identity, "no policy rule gives its identity a role"};
}

void Gate::CountRefused(bool expired) const {
  (expired ? denied_expired_ : denied_untrusted_)->Increment();
}

bool Gate::Holds(const PeerCertificate& certificate) const {
  const std::shared_ptr<const Rules> rules = this->rules();
  return JudgeCertificate(certificate, *rules, "").status.ok() &&
         rules->policy.HasAnyRole(*certificate.identity());
}

bool Gate::TakeExpiries() const {
  const absl::Time now = clock_->WallTime();
  std::vector<std::shared_ptr<const PeerCertificate>> ended;
  std::shared_ptr<const Rules> rules;
  {
    absl::MutexLock lock(&mutex_);
    rules = rules_;
    for (const auto& certificate : remembered_) {
      if (certificate.use_count() == 1) continue;
      if (now < certificate->not_after()) {
        certificate->TakeExpiry(now);  // it may have been valid no more under other rules
      } else {
        ended.push_back(certificate);
      }
    }
  }
  bool any = false;
  for (const auto& certificate : ended) {
    certificate->Check(*rules->trust, rules->number, now).IgnoreError();
    any = certificate->TakeExpiry(now) || any;
  }
  return any;
}

Gate::Refused Gate::JudgeRate(const std::string& identity, absl::string_view call) const {
  if (calls_.Take(identity, clock_->NowNanos())) return {};
  return {absl::ResourceExhaustedError(absl::StrCat(
              call, ": ", identity, " makes more than ", calls_.limit(),
              " calls in a second (max_calls_per_identity_per_second); try again later")),
          "calls_per_identity", denied_calls_};
}

absl::Status Gate::Tell(const Caller& caller, const PeerCertificate& certificate,
                        const Refused& refused) const {
  refused.counter->Increment();
  const std::string identity = certificate.identity().value_or("");
  if (!caller.address.empty()) {
    if (hearers_.denied) hearers_.denied(caller.address, identity);
    if (refused.counter == denied_calls_ && hearers_.exceeded) {
      hearers_.exceeded(caller.address, identity);
    }
  }
  const LineCount count =
      lines_.Ask(absl::StrCat(identity, " ", caller.call, " ", refused.reason), clock_->NowNanos());
  if (count > 0) {
    log_->Warning("agent.denied", {{"identity", identity},
                                   {"peer", caller.address},
                                   {"call", caller.call},
                                   {"reason", refused.reason},
                                   {"error", refused.status},
                                   {count.key(), count.events}});
  }
  return refused.status;
}

absl::StatusOr<Gate::Admission> Gate::Admit(const Caller& caller, Roles roles) const {
  std::shared_ptr<const PeerCertificate> certificate = Certificate(caller);
  // After the certificate is remembered: SetRules() looks at it, or these are the new rules.
  const std::shared_ptr<const Rules> rules = this->rules();
  // Those that are denied count in the rate, too.
  Refused refused;
  if (certificate->identity().ok()) refused = JudgeRate(*certificate->identity(), caller.call);
  if (refused.status.ok()) refused = Judge(*certificate, *rules, caller.call, roles);
  if (!refused.status.ok()) return Tell(caller, *certificate, refused);
  const std::string& identity = *certificate->identity();
  if (hearers_.admitted && !caller.address.empty()) {
    const absl::Status place = hearers_.admitted(caller.address, identity);
    if (!place.ok()) {
      return Tell(caller, *certificate,
                  {absl::Status(place.code(), absl::StrCat(caller.call, ": ", place.message())),
                   "connections_per_identity", denied_connections_});
    }
  }
  return Admission{identity, std::move(certificate)};
}

absl::Status Gate::Recheck(const PeerCertificate& certificate, absl::string_view call,
                           Roles roles) const {
  return Judge(certificate, *rules(), call, roles).status;
}

absl::Status Gate::AllowClass(absl::string_view identity, Roles roles,
                              absl::string_view pool_class) const {
  const std::shared_ptr<const Rules> rules = this->rules();
  absl::Status denied;
  for (const config::v1::Role role : roles) {
    absl::Status status = rules->policy.CheckClass(identity, role, pool_class);
    if (status.ok()) return status;
    // Somebody who has one of the roles learns what that one lacks.
    if (denied.ok() || rules->policy.CheckRole(identity, role).ok()) denied = std::move(status);
  }
  return denied;
}

}  // namespace entropyd
