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
  struct Question {
    X509* leaf;
    STACK_OF(X509) * others;
  };
  // Holds the chain, or the error. Null = there is no memory.
  struct Answer {
    StoreContextPtr context = nullptr;
    bool leads_to_ca = false;
  };
  // At any time when `now` is null.
  Answer Ask(const Question& question, const absl::Time* now) const;
  // OK, or who is revoked.
  absl::Status LookUp(const STACK_OF(X509) * chain) const;

  StorePtr store;
  std::vector<CrlPtr> lists;
};

Trust::Parts::Answer Trust::Parts::Ask(const Question& question, const absl::Time* now) const {
  Answer answer = {StoreContextPtr(X509_STORE_CTX_new())};
  X509_STORE_CTX* const context = answer.context.get();
  if (context == nullptr ||
      X509_STORE_CTX_init(context, store.get(), question.leaf, question.others) != 1) {
    return {};
  }
  // A bundle may hold a CA without the one above it.
  X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
  if (now == nullptr) {
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME);
  } else {
    X509_STORE_CTX_set_time(context, 0, absl::ToTimeT(*now));
  }
  answer.leads_to_ca = X509_verify_cert(context) == 1;
  ERR_clear_error();
  return answer;
}

absl::Status Trust::Parts::LookUp(const STACK_OF(X509) * chain) const {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const cert = sk_X509_value(chain, i);
    for (const CrlPtr& list : lists) {
      if (!Revokes(list.get(), cert)) continue;
      if (i == 0) return absl::PermissionDeniedError("is revoked");
      return absl::PermissionDeniedError(absl::StrCat("is signed by ",
                                                      ShowName(X509_get_subject_name(cert)),
                                                      ", whose own certificate is revoked"));
    }
  }
  return absl::OkStatus();
}

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

absl::Status Trust::Check(absl::string_view leaf_pem, absl::string_view chain_pem) const {
  return Verify(nullptr, leaf_pem, chain_pem, nullptr);
}

absl::Status Trust::CheckAt(absl::Time now, absl::string_view leaf_pem, absl::string_view chain_pem,
                            absl::Time* not_after) const {
  return Verify(&now, leaf_pem, chain_pem, not_after);
}

absl::Status Trust::Verify(const absl::Time* now, absl::string_view leaf_pem,
                           absl::string_view chain_pem, absl::Time* not_after) const {
  const std::vector<CertPtr> leaf = ReadCerts(leaf_pem);
  if (leaf.empty()) return absl::UnauthenticatedError("cannot be read");
  const std::vector<CertPtr> sent = ReadCerts(chain_pem);
  const StackPtr others(sk_X509_new_null());
  if (others == nullptr) return absl::InternalError("cannot be checked");
  for (const CertPtr& one : sent) sk_X509_push(others.get(), one.get());
  const Parts::Question question = {leaf.front().get(), others.get()};
  Parts::Answer answer;
  if (now != nullptr) answer = parts_->Ask(question, now);
  // OpenSSL takes the first issuer that fits when the time does not matter. So this chain tells
  // only what is wrong when no chain is valid.
  if (!answer.leads_to_ca) answer = parts_->Ask(question, nullptr);
  if (answer.context == nullptr) {
    return absl::InternalError(absl::StrCat("cannot be checked: ", OpenSslReason()));
  }
  if (!answer.leads_to_ca) {
    const int error = X509_STORE_CTX_get_error(answer.context.get());
    return absl::UnauthenticatedError(absl::StrCat("leads to no CA that is trusted here: ",
                                                   X509_verify_cert_error_string(error)));
  }
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(answer.context.get());
  if (not_after != nullptr) *not_after = FirstEnd(chain);
  return parts_->LookUp(chain);
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
