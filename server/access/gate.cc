#include "server/access/gate.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

Counter* AddDenialCounter(Metrics* metrics, const std::string& reason) {
  return metrics->AddCounter("entropyd_denials_total",
                             "Streams, channels and calls that were refused, by reason.",
                             {{"reason", reason}});
}

absl::StatusOr<std::unique_ptr<Gate>> Gate::Create(Policy policy, absl::string_view crl_pem,
                                                   const Clock* clock, Log* log, Metrics* metrics) {
  std::unique_ptr<Gate> gate(new Gate(std::move(policy), clock, log));
  if (!crl_pem.empty()) {
    absl::StatusOr<std::vector<std::string>> serials = tls::RevokedSerials(crl_pem);
    if (!serials.ok()) return serials.status();
    gate->revoked_.insert(serials->begin(), serials->end());
  }
  gate->denied_identity_ = AddDenialCounter(metrics, "identity");
  gate->denied_revoked_ = AddDenialCounter(metrics, "revoked");
  gate->denied_role_ = AddDenialCounter(metrics, "role");
  return gate;
}

absl::Status Gate::Deny(const Caller& caller, absl::string_view identity, absl::string_view reason,
                        Counter* counter, absl::Status status) const {
  counter->Increment();
  const uint64_t count =
      lines_.Ask(absl::StrCat(identity, " ", caller.call, " ", reason), clock_->NowNanos());
  if (count == 0) return status;
  log_->Warning("agent.denied", {{"identity", identity},
                                 {"peer", caller.address},
                                 {"call", caller.call},
                                 {"reason", reason},
                                 {"error", status},
                                 {"count", count}});
  return status;
}

absl::StatusOr<tls::PeerIdentity> Gate::IdentityOf(absl::string_view cert_pem) const {
  {
    absl::MutexLock lock(&mutex_);
    const auto it = remembered_.find(cert_pem);
    if (it != remembered_.end()) return it->second;
  }
  absl::StatusOr<tls::PeerIdentity> peer = tls::IdentityOfPem(cert_pem);
  if (!peer.ok()) return peer;
  absl::MutexLock lock(&mutex_);
  if (remembered_.size() >= kMaxRemembered) remembered_.clear();
  remembered_.emplace(cert_pem, *peer);
  return peer;
}

absl::StatusOr<std::string> Gate::Admit(const Caller& caller,
                                        absl::Span<const config::v1::Role> roles) const {
  const absl::StatusOr<tls::PeerIdentity> peer = IdentityOf(caller.cert_pem);
  if (!peer.ok()) {
    return Deny(caller, "", "identity", denied_identity_,
                absl::UnauthenticatedError(absl::StrCat(
                    caller.call, ": the certificate names nobody: ", peer.status().message())));
  }
  if (revoked_.contains(peer->serial_hex)) {
    return Deny(caller, peer->name, "revoked", denied_revoked_,
                absl::UnauthenticatedError(
                    absl::StrCat(caller.call, ": the certificate of ", peer->name, " is revoked")));
  }
  for (const config::v1::Role role : roles) {
    if (!policy_.CheckRole(peer->name, role).ok()) continue;
    if (admitted_) admitted_(caller.address);
    return peer->name;
  }
  return Deny(caller, peer->name, "role", denied_role_, policy_.CheckRole(peer->name, roles[0]));
}

absl::Status Gate::AllowClass(absl::string_view identity, absl::Span<const config::v1::Role> roles,
                              absl::string_view pool_class) const {
  absl::Status denied;
  for (const config::v1::Role role : roles) {
    absl::Status status = policy_.CheckClass(identity, role, pool_class);
    if (status.ok()) return status;
    // Somebody who has one of the roles learns what that one lacks.
    if (denied.ok() || policy_.CheckRole(identity, role).ok()) denied = std::move(status);
  }
  return denied;
}

}  // namespace entropyd
