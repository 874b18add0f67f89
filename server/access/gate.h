// Who may come in. The gate turns a certificate into an identity, refuses a peer that is revoked,
// expired or no longer vouched for by a CA, and checks whether the identity has a role. It counts
// every denial, and logs one line for each identity and reason in ten seconds.
//
// It is asked twice. In the handshake, so that nobody parses a byte of those who may do nothing:
//
//   const tls::Examiner::Verdict verdict = gate->Examine(leaf_pem, chain_pem, &certificate);
//
// And for each call, because a role does not allow every call:
//
//   const absl::StatusOr<Gate::Admission> peer = gate->Admit(
//       {.cert_pem = pem, .chain_pem = chain, .address = address, .call = "Attach"}, roles);
//   if (!peer.ok()) return peer.status();
//
// The rules may change while the server runs. A peer that the old ones let in is checked again:
//
//   gate->SetRules(std::move(policy), trust);
//   absl::Status status = gate->Recheck(*peer->certificate, "Attach", roles);
//
// Errors: UNAUTHENTICATED for a bad certificate, PERMISSION_DENIED for a missing role,
// RESOURCE_EXHAUSTED for more calls or connections than an identity may have.
//
// Thread safety: safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/crypto/handshake_watch.h"
#include "base/crypto/trust.h"
#include "base/process/clock.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "proto/server_config.pb.h"
#include "server/access/call_rates.h"
#include "server/access/peer_certificate.h"
#include "server/access/policy.h"

namespace entropyd {

class Gate {
 public:
  using Roles = absl::Span<const config::v1::Role>;

  // What the transport knows of a caller. The views outlive the call of Admit().
  struct Caller {
    // The TLS handshake has verified it.
    absl::string_view cert_pem;
    // What the peer sent besides it. May be empty.
    absl::string_view chain_pem;
    // May be empty when the transport does not know it.
    absl::string_view address;
    // The name of the call, for example "Attach".
    absl::string_view call;
  };

  // Any of them lets a peer through the handshake.
  static constexpr config::v1::Role kAnyRole[] = {config::v1::ROLE_AGENT, config::v1::ROLE_READER,
                                                  config::v1::ROLE_OPERATOR};

  // Who hears of callers, by the address of each. Some of them may be empty.
  struct Hearers {
    // Each caller that may come in. An error keeps it out: its identity has no place left.
    std::function<absl::Status(absl::string_view address, absl::string_view identity)> admitted =
        nullptr;
    // Each caller that Admit() refuses. "" = its certificate names nobody.
    std::function<void(absl::string_view address, absl::string_view identity)> denied = nullptr;
    // Refused callers whose identity makes too many calls.
    std::function<void(absl::string_view address, absl::string_view identity)> exceeded = nullptr;
  };

  // Who may come in. A call that may take long keeps the certificate for Recheck().
  struct Admission {
    std::string identity;
    std::shared_ptr<const PeerCertificate> certificate;
  };

  // The gate remembers this many certificates that nobody uses now, and all that somebody uses:
  // parsing and verifying one costs more than a whole Get.
  static constexpr size_t kMaxRemembered = 4096;
  // Their text, likewise.
  static constexpr size_t kMaxRememberedBytes = 32 << 20;

  // Clock, log and metrics outlive the gate.
  Gate(Policy policy, std::shared_ptr<const tls::Trust> trust, const Clock* clock, Log* log,
       Metrics* metrics);

  // REQUIRES: no call yet.
  void SetHearers(Hearers hearers) { hearers_ = std::move(hearers); }

  // How many calls an identity may make in a second (server/access/call_rates.h).
  void SetCallLimit(uint32_t calls_per_second) { calls_.SetLimit(calls_per_second); }

  // From now on these rules hold. Looks at every certificate that somebody uses before it returns,
  // so that Recheck() costs little afterwards.
  void SetRules(Policy policy, std::shared_ptr<const tls::Trust> trust);

  // Whether a peer with this certificate may come in at all. Counts the peers that it refuses; the
  // line in the log is that of the handshake (`tls.refused`). `certificate` becomes what Holds()
  // wants.
  tls::Examiner::Verdict Examine(absl::string_view leaf_pem, absl::string_view chain_pem,
                                 std::shared_ptr<const PeerCertificate>* certificate) const;
  // OpenSSL itself does not accept a certificate. Counts it.
  void CountRefused(bool expired) const;
  // Whether Examine() would let the peer in now. Tells nobody.
  bool Holds(const PeerCertificate& certificate) const;
  // How long it is valid from now on; negative when it is not.
  int64_t LifetimeNanos(const PeerCertificate& certificate) const {
    return absl::ToInt64Nanoseconds(certificate.not_after() - clock_->WallTime());
  }
  // True when a certificate that somebody uses has expired, and no call before has said so.
  bool TakeExpiries() const;
  // The text of the certificates that the gate remembers.
  size_t remembered_bytes() const;

  // Lets the caller in when it has one of the roles. Errors: UNAUTHENTICATED (no identity in the
  // certificate, revoked, expired, or no CA vouches for it), PERMISSION_DENIED (names the first
  // role, which is the usual one for the call), RESOURCE_EXHAUSTED (too many calls; or of
  // Hearers::admitted). REQUIRES: `roles` is not empty.
  absl::StatusOr<Admission> Admit(const Caller& caller, Roles roles) const;

  // What the caller came with, whether it may come in or not.
  std::shared_ptr<const PeerCertificate> Certificate(const Caller& caller) const;

  // Whether Admit() would let it in now. Tells nobody. Errors: as Admit().
  absl::Status Recheck(const PeerCertificate& certificate, absl::string_view call,
                       Roles roles) const;

  // OK, or PERMISSION_DENIED when none of the roles lets `identity` get from POOL/CLASS. The error
  // names the role that `identity` has, else the first. The caller of this function logs and counts
  // the denial, because it knows the call. REQUIRES: `roles` is not empty.
  absl::Status AllowClass(absl::string_view identity, Roles roles,
                          absl::string_view pool_class) const;

  // As Policy::MaxWeight().
  uint32_t MaxWeight(absl::string_view identity, absl::string_view pool_class) const {
    return rules()->policy.MaxWeight(identity, pool_class);
  }

 private:
  struct Rules {
    const Policy policy;
    const std::shared_ptr<const tls::Trust> trust;
    // Counts the rules. Certificates remember by which they were judged.
    const uint64_t number;
  };
  // What a peer has sent. The same leaf with another chain is another certificate: it takes no
  // place of one that somebody uses.
  struct Papers {
    Papers(absl::string_view leaf, absl::string_view chain) : leaf_pem(leaf), chain_pem(chain) {}
    explicit Papers(const std::shared_ptr<const PeerCertificate>& certificate)
        : Papers(certificate->leaf_pem(), certificate->chain_pem()) {}
    size_t bytes() const { return leaf_pem.size() + chain_pem.size(); }

    absl::string_view leaf_pem;
    absl::string_view chain_pem;
  };
  struct PapersHash {
    using is_transparent = void;
    size_t operator()(const Papers& papers) const {
      return absl::HashOf(papers.leaf_pem, papers.chain_pem);
    }
    size_t operator()(const std::shared_ptr<const PeerCertificate>& certificate) const {
      return (*this)(Papers(certificate));
    }
  };
  struct SamePapers {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      const Papers first(a), second(b);
      return first.leaf_pem == second.leaf_pem && first.chain_pem == second.chain_pem;
    }
  };
  // How a caller is refused.
  struct Refused {
    absl::Status status;
    const char* reason = "";
    Counter* counter = nullptr;
    tls::Refusal kind = tls::Refusal::kNone;
  };

  std::shared_ptr<const Rules> rules() const {
    absl::MutexLock lock(&mutex_);
    return rules_;
  }
  // OK, or what is wrong with the certificate, for any use.
  Refused JudgeCertificate(const PeerCertificate& certificate, const Rules& rules,
                           absl::string_view call) const;
  // OK, or why the certificate may not make the call.
  Refused Judge(const PeerCertificate& certificate, const Rules& rules, absl::string_view call,
                Roles roles) const;
  // OK, or the identity makes too many calls.
  Refused JudgeRate(const std::string& identity, absl::string_view call) const;
  std::shared_ptr<const PeerCertificate> Remembered(absl::string_view leaf_pem,
                                                    absl::string_view chain_pem) const;
  void ForgetUnused() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns refused.status.
  absl::Status Tell(const Caller& caller, const PeerCertificate& certificate,
                    const Refused& refused) const;

  const Clock* const clock_;
  Log* const log_;
  mutable LineLimit lines_;
  mutable CallRates calls_;
  Hearers hearers_;
  Counter* const denied_identity_;
  Counter* const denied_revoked_;
  Counter* const denied_expired_;
  Counter* const denied_untrusted_;
  Counter* const denied_role_;
  Counter* const denied_calls_;
  Counter* const denied_connections_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Rules> rules_ ABSL_GUARDED_BY(mutex_);
  mutable absl::flat_hash_set<std::shared_ptr<const PeerCertificate>, PapersHash, SamePapers>
      remembered_ ABSL_GUARDED_BY(mutex_);
  mutable size_t remembered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // When there are this many, or this much, those that nobody uses are forgotten.
  mutable size_t forget_at_ ABSL_GUARDED_BY(mutex_) = kMaxRemembered;
  mutable size_t forget_at_bytes_ ABSL_GUARDED_BY(mutex_) = kMaxRememberedBytes;
};

// Makes the series of one reason. Every part of the server that denies uses this metric family.
Counter* AddDenialCounter(Metrics* metrics, const std::string& reason);

}  // namespace entropyd
