// The certificate of a peer: the name in it, and whether it is still valid.
//
//   PeerCertificate certificate(leaf_pem, chain_pem);
//   if (certificate.identity().ok()) absl::Status status = certificate.Check(*trust, number, now);
//
// Errors: a certificate without a name has no identity; Check() is as tls::Trust::CheckAt().
//
// Thread safety: safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/crypto/tls.h"
#include "base/crypto/trust.h"

namespace entropyd {

class PeerCertificate {
 public:
  PeerCertificate(absl::string_view leaf_pem, absl::string_view chain_pem);

  const std::string& leaf_pem() const { return leaf_pem_; }
  // What the peer sent besides its leaf.
  const std::string& chain_pem() const { return chain_pem_; }
  const absl::StatusOr<std::string>& identity() const { return identity_; }

  // As trust.CheckAt(now), but verifies only once for each `number` of rules, and again when the
  // chain has ended that it has found: another one may lead to a CA that was renewed. As long as
  // none does, at most every kVerifyAgain.
  absl::Status Check(const tls::Trust& trust, uint64_t number, absl::Time now) const;
  static constexpr absl::Duration kVerifyAgain = absl::Seconds(1);

  // When it expires, or the first of those that vouch for it. REQUIRES: Check() has accepted it.
  absl::Time not_after() const {
    return absl::FromUnixNanos(not_after_unix_nanos_.load(std::memory_order_relaxed));
  }
  // True for the first who says that it has expired, and once more when it was valid in between.
  bool TakeExpiry(absl::Time now) const;

 private:
  bool MustVerifyAgain(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string leaf_pem_;
  const std::string chain_pem_;
  const absl::StatusOr<std::string> identity_;

  mutable absl::Mutex mutex_;
  // The rules of the last verdict. 0 = there is none.
  mutable uint64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable absl::Status verdict_ ABSL_GUARDED_BY(mutex_);
  mutable absl::Time verified_ ABSL_GUARDED_BY(mutex_);
  // The greatest is absl::InfiniteFuture() for all who compare it with the time of day.
  mutable std::atomic<int64_t> not_after_unix_nanos_{std::numeric_limits<int64_t>::max()};
  // The end that somebody has taken. kNoEnd = none.
  static constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::min();
  mutable std::atomic<int64_t> taken_end_unix_nanos_{kNoEnd};
};

}  // namespace entropyd
