#include "base/wire/refused_handshake.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "openssl/ssl.h"

namespace entropyd {
namespace {

// What connection_remedy.cc knows a remedy for.
absl::string_view Problem(int description) {
  switch (description) {
    case SSL_AD_CERTIFICATE_REVOKED:
      return "it, or that of its CA, is revoked (alert certificate revoked)";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "it, or that of its CA, has expired (alert certificate expired)";
    case SSL_AD_UNKNOWN_CA:
      return "the server does not know its CA (alert unknown ca)";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return "it is not for clients (alert unsupported certificate)";
    case SSL_AD_BAD_CERTIFICATE:
      return "the server's log says why (alert bad certificate)";
    default:
      return "";
  }
}

}  // namespace

absl::Status WithRefusal(const absl::Status& status, const tls::Alert& alert) {
  if (!absl::IsUnavailable(status) || alert.description == 0 ||
      !absl::StrContains(status.message(), "Endpoint read failed")) {
    return status;
  }
  if (alert.description == SSL_AD_HANDSHAKE_FAILURE) {
    return absl::PermissionDeniedError(absl::StrCat("permission denied: no policy rule gives ",
                                                    alert.identity, " a role (alert handshake ",
                                                    "failure)"));
  }
  const absl::string_view problem = Problem(alert.description);
  if (problem.empty()) {
    return absl::UnavailableError(absl::StrCat(status.message(), ": TLS alert ",
                                               SSL_alert_desc_string_long(alert.description)));
  }
  return absl::UnauthenticatedError(
      absl::StrCat("the server refuses the certificate of ", alert.identity, ": ", problem));
}

}  // namespace entropyd
