// Accepts peers whose certificate chain ends at a CA of the bundle and has no revoked certificate.
// Revocation lists (CRLs) say what is revoked.
//
//   auto trust = tls::Trust::Create({ca_path, ca_pem}, {crl_path, crl_pem});
//   if (!trust.ok()) return trust.status();
//   absl::Status status = (*trust)->Check(leaf_pem, chain_pem);
//
// A list speaks of the certificates that its issuer has signed: a serial counts only together with
// the name of the issuer. A list that is too old still revokes what it names; StaleLists() tells.
//
// Errors: Create() names the list or the bundle that cannot be used; Check() gives UNAUTHENTICATED.
//
// Thread safety: safe, immutable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd::tls {

class Trust {
 public:
  // A file that was read.
  struct File {
    const std::string& path;
    const std::string& pem;
  };

  // `crl.path` is empty when there are no lists. Errors: INVALID_ARGUMENT, when one of the files
  // holds nothing that can be used, or when no CA of the bundle has signed a list.
  static absl::StatusOr<std::shared_ptr<const Trust>> Create(const File& ca, const File& crl);
  ~Trust();

  // What TLS verified when the peer came may not hold any more. `chain_pem` is what the peer sent
  // besides its leaf, and may be empty. Errors: PERMISSION_DENIED when it or a CA above it is
  // revoked, UNAUTHENTICATED when no CA vouches for it; the message goes on after "the certificate
  // of X ". Does not look at the time.
  absl::Status Check(absl::string_view leaf_pem, absl::string_view chain_pem) const;

  // The same, of a chain that is valid at `now`: a CA that was renewed stands in a bundle twice,
  // under the same name and key, and the old one counts no more when it has ended. `not_after`
  // becomes the time when the first certificate of the chain ends; another chain may be valid then.
  // Where none is valid at `now`, it is the end of one of them, and no error.
  absl::Status CheckAt(absl::Time now, absl::string_view leaf_pem, absl::string_view chain_pem,
                       absl::Time* not_after) const;

  // The lists that should have been replaced by now, each as "CN=dc1, due 2026-01-02 …".
  std::vector<std::string> StaleLists(absl::Time now) const;
  // When the first list is due. InfiniteFuture when there is none.
  absl::Time next_update() const;

 private:
  struct Parts;
  explicit Trust(std::unique_ptr<Parts> parts);
  // At any time when `now` is null. `not_after` may be null.
  absl::Status Verify(const absl::Time* now, absl::string_view leaf_pem,
                      absl::string_view chain_pem, absl::Time* not_after) const;

  const std::unique_ptr<Parts> parts_;
};

}  // namespace entropyd::tls
