#include "server/policy_names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/crypto/peer_identity.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// A type of names, the characters that its names have, and how to say so. A '*' stands for any.
struct NameType {
  absl::string_view prefix;
  bool (*fits)(unsigned char c);
  absl::string_view has;
};

constexpr NameType kTypes[] = {
    {"spiffe://",
     [](unsigned char c) { return absl::ascii_isalnum(c) || absl::StrContains("-_./*", c); },
     "letters, digits, '-', '_', '.' and '/'"},
    {"dns:", [](unsigned char c) { return absl::ascii_isalnum(c) || absl::StrContains("-_.*", c); },
     "letters, digits, '-', '_', '.' and '*'"},
    {"cn:", [](unsigned char c) { return absl::ascii_isprint(c) && c != ':' && c != '/'; },
     "printable ASCII except ':' and '/'"},
};

// OK also for what is of none of the types: the policy itself refuses that.
absl::Status CheckIdentityName(absl::string_view identity) {
  if (identity.size() > tls::kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(Excerpt(identity), " would match nobody: names of certificates have at most ",
                     tls::kMaxNameBytes, " bytes; write a shorter one"));
  }
  for (const NameType& type : kTypes) {
    absl::string_view name = identity;
    if (!absl::ConsumePrefix(&name, type.prefix)) continue;
    const auto bad = std::find_if_not(name.begin(), name.end(), type.fits);
    if (bad == name.end()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        Excerpt(identity), " would match nobody: behind ", type.prefix, " names of certificates ",
        "have ", type.has, ", and not ", Excerpt(absl::string_view(bad, 1)), "; correct it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPolicyNames(const config::v1::Server& config,
                              const config::Locations& locations) {
  for (int i = 0; i < config.policy_size(); ++i) {
    absl::Status name = CheckIdentityName(config.policy(i).identity());
    if (!name.ok()) return locations.At(absl::StrCat("policy[", i, "].identity"), name);
  }
  return absl::OkStatus();
}

}  // namespace entropyd
