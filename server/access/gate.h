// The door: whose certificate is it, is it revoked, and may its owner do this? Every denial is
// logged and counted.
//
// Thread safety: safe.
#pragma once

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
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "proto/server_config.pb.h"
#include "server/access/policy.h"

namespace entropyd {

class Gate {
 public:
  // What the transport knows of a caller.
  struct Caller {
    absl::string_view cert_pem;  // verified by the handshake
    absl::string_view address;
    absl::string_view call;  // "Attach"
  };

  // Certificates whose identity is remembered: parsing one costs more than a whole Get.
  static constexpr size_t kMaxRemembered = 4096;

  // `crl_pem` may be empty. Log and metrics outlive the gate. Errors: INVALID_ARGUMENT (CRL).
  static absl::StatusOr<std::unique_ptr<Gate>> Create(Policy policy, absl::string_view crl_pem,
                                                      Log* log, Metrics* metrics);

  // The caller's identity, when it has one of the roles. Errors: UNAUTHENTICATED (no identity in
  // the certificate, or revoked), PERMISSION_DENIED (role).
  absl::StatusOr<std::string> Admit(const Caller& caller,
                                    absl::Span<const config::v1::Role> roles) const;

  // OK, or PERMISSION_DENIED when none of the roles lets `identity` get from POOL/CLASS. The
  // caller logs and counts, for it knows the call.
  absl::Status AllowClass(absl::string_view identity, absl::Span<const config::v1::Role> roles,
                          absl::string_view pool_class) const;

 private:
  Gate(Policy policy, Log* log) : policy_(std::move(policy)), log_(log) {}
  absl::StatusOr<tls::PeerIdentity> IdentityOf(absl::string_view cert_pem) const;
  absl::Status Deny(const Caller& caller, absl::string_view identity, absl::string_view reason,
                    Counter* counter, absl::Status status) const;

  const Policy policy_;
  Log* const log_;
  absl::flat_hash_set<std::string> revoked_;  // serials, upper-case hex
  Counter* denied_identity_ = nullptr;
  Counter* denied_revoked_ = nullptr;
  Counter* denied_role_ = nullptr;

  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_map<std::string, tls::PeerIdentity> remembered_  // by PEM
      ABSL_GUARDED_BY(mutex_);
};

// The series of one reason; every part of the server that denies uses this family.
Counter* AddDenialCounter(Metrics* metrics, const std::string& reason);

}  // namespace entropyd
