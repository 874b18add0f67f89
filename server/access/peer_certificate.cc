#include "server/access/peer_certificate.h"

#include <utility>

#include "base/crypto/peer_identity.h"

namespace entropyd {
namespace {

absl::StatusOr<std::string> NameIn(absl::string_view pem) {
  absl::StatusOr<tls::PeerIdentity> identity = tls::IdentityOfPem(pem);
  if (!identity.ok()) return identity.status();
  return std::move(identity->name);
}

}  // namespace

PeerCertificate::PeerCertificate(absl::string_view leaf_pem, absl::string_view chain_pem)
    : leaf_pem_(leaf_pem), chain_pem_(chain_pem), identity_(NameIn(leaf_pem)) {}

absl::Status PeerCertificate::Check(const tls::Trust& trust, uint64_t number,
                                    absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  if (number_ != number || MustVerifyAgain(now)) {
    absl::Time not_after = absl::InfiniteFuture();
    verdict_ = trust.CheckAt(now, leaf_pem_, chain_pem_, &not_after);
    not_after_unix_nanos_ = absl::ToUnixNanos(not_after);
    number_ = number;
    verified_ = now;
  }
  return verdict_;
}

// The clock may have been set back, too.
bool PeerCertificate::MustVerifyAgain(absl::Time now) const {
  if (now < not_after()) return false;
  return verified_ < not_after() || now < verified_ || now - verified_ >= kVerifyAgain;
}

bool PeerCertificate::TakeExpiry(absl::Time now) const {
  const int64_t end = not_after_unix_nanos_.load(std::memory_order_relaxed);
  const bool expired = now >= absl::FromUnixNanos(end);
  return taken_end_unix_nanos_.exchange(expired ? end : kNoEnd, std::memory_order_relaxed) != end &&
         expired;
}

}  // namespace entropyd
