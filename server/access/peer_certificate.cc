#include "server/access/peer_certificate.h"

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

absl::Status PeerCertificate::Check(const tls::Trust& trust, uint64_t number) const {
  absl::MutexLock lock(&mutex_);
  if (number_ != number) {
    absl::Time not_after = absl::InfiniteFuture();
    verdict_ = trust.Check(leaf_pem_, chain_pem_, &not_after);
    not_after_unix_nanos_ = absl::ToUnixNanos(not_after);
    number_ = number;
  }
  return verdict_;
}

}  // namespace entropyd
