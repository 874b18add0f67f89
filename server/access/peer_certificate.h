// A certificate that a peer has come with: whom it names, and whether it still counts.
//
//   PeerCertificate certificate(leaf_pem, chain_pem);
//   if (certificate.identity().ok()) absl::Status status = certificate.Check(*trust, number);
//
// Errors: a certificate without a name has no identity; Check() is as tls::Trust::Check().
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

  // As trust.Check(), but verifies only once for each `number` of rules.
  absl::Status Check(const tls::Trust& trust, uint64_t number) const;

  // When it expires, or the first of those that vouch for it. REQUIRES: Check() has accepted it.
  absl::Time not_after() const {
    return absl::FromUnixNanos(not_after_unix_nanos_.load(std::memory_order_relaxed));
  }
  // True once: for the first who says that it has expired.
  bool TakeExpiry() const { return !expiry_taken_.exchange(true, std::memory_order_relaxed); }

 private:
  const std::string leaf_pem_;
  const std::string chain_pem_;
  const absl::StatusOr<std::string> identity_;

  mutable absl::Mutex mutex_;
  // The rules of the last verdict. 0 = there is none.
  mutable uint64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable absl::Status verdict_ ABSL_GUARDED_BY(mutex_);
  // The greatest is absl::InfiniteFuture() for all who compare it with the time of day.
  mutable std::atomic<int64_t> not_after_unix_nanos_{std::numeric_limits<int64_t>::max()};
  mutable std::atomic<bool> expiry_taken_{false};
};

}  // namespace entropyd
