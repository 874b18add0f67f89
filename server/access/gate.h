// The door of the server. It turns a certificate into an identity, refuses a revoked certificate,
// and checks whether the identity has a role. It counts every denial, and logs one line for each
// identity and reason in ten seconds.
//
//   const absl::StatusOr<std::string> identity =
//       gate->Admit({.cert_pem = pem, .address = peer, .call = "Attach"}, roles);
//   if (!identity.ok()) return identity.status();
//
// Errors: UNAUTHENTICATED for a bad certificate, PERMISSION_DENIED for a missing role.
//
// Thread safety: safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/crypto/tls.h"
#include "base/process/clock.h"
#include "base/process/line_limit.h"
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "proto/server_config.pb.h"
#include "server/access/policy.h"

namespace entropyd {

class Gate {
 public:
  // What the transport knows of a caller. The views outlive the call of Admit().
  struct Caller {
    // The TLS handshake has verified it.
    absl::string_view cert_pem;
    absl::string_view address;
    // The name of the call, for example "Attach".
    absl::string_view call;
  };

  // The gate remembers the identities of so many certificates: parsing one costs more than a whole
  // Get.
  static constexpr size_t kMaxRemembered = 4096;

  // `crl_pem` may be empty. Clock, log and metrics outlive the gate. Errors: INVALID_ARGUMENT
  // (CRL).
  static absl::StatusOr<std::unique_ptr<Gate>> Create(Policy policy, absl::string_view crl_pem,
                                                      const Clock* clock, Log* log,
                                                      Metrics* metrics);

  // `admitted` hears the address of each caller that Admit() lets in. REQUIRES: no call yet.
  void SetAdmitted(std::function<void(absl::string_view address)> admitted) {
    admitted_ = std::move(admitted);
  }

  // Returns the caller's identity when it has one of the roles. Errors: UNAUTHENTICATED (no
  // identity in the certificate, or revoked), PERMISSION_DENIED (names the first role, which is the
  // usual one for the call). REQUIRES: `roles` is not empty.
  absl::StatusOr<std::string> Admit(const Caller& caller,
                                    absl::Span<const config::v1::Role> roles) const;

  // OK, or PERMISSION_DENIED when none of the roles lets `identity` get from POOL/CLASS. The error
  // names the role that `identity` has, else the first. The caller of this function logs and counts
  // the denial, because it knows the call. REQUIRES: `roles` is not empty.
  absl::Status AllowClass(absl::string_view identity, absl::Span<const config::v1::Role> roles,
                          absl::string_view pool_class) const;

  // As Policy::MaxWeight().
  uint32_t MaxWeight(absl::string_view identity, absl::string_view pool_class) const {
    return policy_.MaxWeight(identity, pool_class);
  }

 private:
  Gate(Policy policy, const Clock* clock, Log* log)
      : policy_(std::move(policy)), clock_(clock), log_(log) {}
  absl::StatusOr<tls::PeerIdentity> IdentityOf(absl::string_view cert_pem) const;
  absl::Status Deny(const Caller& caller, absl::string_view identity, absl::string_view reason,
                    Counter* counter, absl::Status status) const;

  const Policy policy_;
  const Clock* const clock_;
  Log* const log_;
  mutable LineLimit lines_;
  std::function<void(absl::string_view)> admitted_;
  // Serial numbers of revoked certificates, in upper-case hex.
  absl::flat_hash_set<std::string> revoked_;
  Counter* denied_identity_ = nullptr;
  Counter* denied_revoked_ = nullptr;
  Counter* denied_role_ = nullptr;

  mutable absl::Mutex mutex_;
  // Identities by the PEM text of the certificate.
  mutable absl::flat_hash_map<std::string, tls::PeerIdentity> remembered_ ABSL_GUARDED_BY(mutex_);
};

// Makes the series of one reason. Every part of the server that denies uses this metric family.
Counter* AddDenialCounter(Metrics* metrics, const std::string& reason);

}  // namespace entropyd
