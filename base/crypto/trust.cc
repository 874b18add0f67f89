#include "base/crypto/trust.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto/pem.h"
#include "openssl/err.h"
#include "openssl/x509_vfy.h"

namespace entropyd::tls {
namespace {

using StorePtr = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;
// The certificates on it belong to somebody else.
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;

bool SignedByOneOf(X509_CRL* crl, const std::vector<CertPtr>& cas) {
  const bool found = std::any_of(cas.begin(), cas.end(), [crl](const CertPtr& ca) {
    return X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca.get())) == 0 &&
           X509_CRL_verify(crl, X509_get0_pubkey(ca.get())) == 1;
  });
  ERR_clear_error();
  return found;
}

absl::Status CheckLists(const Trust::File& crl, const std::vector<CrlPtr>& lists,
                        const Trust::File& ca, const std::vector<CertPtr>& cas) {
  if (lists.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "parse CRL ", crl.path, ": no revocation list in PEM; leave `crl` out for none"));
  }
  for (const CrlPtr& list : lists) {
    if (SignedByOneOf(list.get(), cas)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("check CRL ", crl.path, ": the list of ",
                     ShowName(X509_CRL_get_issuer(list.get())), " is not signed by a certificate ",
                     "of ", ca.path, "; install the list that this CA issued"));
  }
  return absl::OkStatus();
}

absl::Time NextUpdate(const X509_CRL* crl) {
  const ASN1_TIME* const due = X509_CRL_get0_nextUpdate(crl);
  return due == nullptr ? absl::InfiniteFuture() : ToTime(due);
}

absl::Time FirstEnd(const STACK_OF(X509) * chain) {
  absl::Time first = absl::InfiniteFuture();
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    first = std::min(first, ToTime(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  return first;
}

bool Revokes(X509_CRL* crl, X509* cert) {
  X509_REVOKED* entry = nullptr;
  // Compares issuer and serial. 2 is an entry that lifts a hold.
  return X509_CRL_get0_by_cert(crl, &entry, cert) == 1;
}

}  // namespace

struct Trust::Parts {
  StorePtr store;
  std::vector<CrlPtr> lists;
};

Trust::Trust(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Trust::~Trust() = default;

absl::StatusOr<std::shared_ptr<const Trust>> Trust::Create(const File& ca, const File& crl) {
  const std::vector<CertPtr> cas = ReadCerts(ca.pem);
  if (cas.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("parse CA ", ca.path, ": no certificate in PEM, or a broken one"));
  }
  auto parts = std::make_unique<Parts>();
  if (!crl.path.empty()) {
    parts->lists = ReadCrls(crl.pem);
    absl::Status status = CheckLists(crl, parts->lists, ca, cas);
    if (!status.ok()) return status;
  }
  parts->store.reset(X509_STORE_new());
  for (const CertPtr& one : cas) {
    if (X509_STORE_add_cert(parts->store.get(), one.get()) == 1) continue;
    return absl::InvalidArgumentError(absl::StrCat("use CA ", ca.path, ": ", OpenSslReason()));
  }
  return std::shared_ptr<const Trust>(new Trust(std::move(parts)));
}

absl::Status Trust::Check(absl::string_view leaf_pem, absl::string_view chain_pem,
                          absl::Time* not_after) const {
  const std::vector<CertPtr> leaf = ReadCerts(leaf_pem);
  if (leaf.empty()) return absl::UnauthenticatedError("cannot be read");
  const std::vector<CertPtr> sent = ReadCerts(chain_pem);
  StackPtr others(sk_X509_new_null());
  StoreContextPtr context(X509_STORE_CTX_new());
  if (others == nullptr || context == nullptr) return absl::InternalError("cannot be checked");
  for (const CertPtr& one : sent) sk_X509_push(others.get(), one.get());
  if (X509_STORE_CTX_init(context.get(), parts_->store.get(), leaf.front().get(), others.get()) !=
      1) {
    return absl::InternalError(absl::StrCat("cannot be checked: ", OpenSslReason()));
  }
  // A bundle may hold a CA without the one above it.
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
  const bool leads_to_ca = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!leads_to_ca) {
    return absl::UnauthenticatedError(
        absl::StrCat("leads to no CA that is trusted here: ",
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
  }
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(context.get());
  if (not_after != nullptr) *not_after = FirstEnd(chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const cert = sk_X509_value(chain, i);
    for (const CrlPtr& list : parts_->lists) {
      if (!Revokes(list.get(), cert)) continue;
      if (i == 0) return absl::UnauthenticatedError("is revoked");
      return absl::UnauthenticatedError(absl::StrCat("is signed by ",
                                                     ShowName(X509_get_subject_name(cert)),
                                                     ", whose own certificate is revoked"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> Trust::StaleLists(absl::Time now) const {
  std::vector<std::string> stale;
  for (const CrlPtr& list : parts_->lists) {
    const absl::Time due = NextUpdate(list.get());
    if (now <= due) continue;
    stale.push_back(
        absl::StrCat(ShowName(X509_CRL_get_issuer(list.get())), ", due ",
                     absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", due, absl::UTCTimeZone())));
  }
  return stale;
}

absl::Time Trust::next_update() const {
  absl::Time first = absl::InfiniteFuture();
  for (const CrlPtr& list : parts_->lists) first = std::min(first, NextUpdate(list.get()));
  return first;
}

}  // namespace entropyd::tls
