#include "server/access/policy.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/match_pattern.h"
#include "server/classes/class_config.h"

namespace entropyd {
namespace {

absl::string_view RoleName(config::v1::Role role) {
  switch (role) {
    case config::v1::ROLE_AGENT:
      return "agent";
    case config::v1::ROLE_READER:
      return "reader";
    case config::v1::ROLE_OPERATOR:
      return "operator";
    default:
      return "unspecified";
  }
}

// The names that certificates give say of what type they are (base/crypto/peer_identity.h).
absl::Status CheckIdentity(absl::string_view identity, const std::string& path,
                           const config::Locations& locations) {
  const std::string lower = absl::AsciiStrToLower(identity);
  if (absl::StartsWith(identity, "dns:") && identity != lower) {
    return locations.Error(absl::StrCat(path, ".identity"),
                           absl::StrCat("'", identity, "' would match nobody: DNS names of ",
                                        "certificates are taken in lower case; write ", lower));
  }
  for (const absl::string_view type : {"spiffe://", "dns:", "cn:"}) {
    if (absl::StartsWith(identity, type) && identity.size() > type.size()) return absl::OkStatus();
  }
  return locations.Error(absl::StrCat(path, ".identity"),
                         absl::StrCat("'", identity, "' does not say of what type it is; write ",
                                      "spiffe://…, dns:NAME or cn:NAME"));
}

absl::Status CheckRule(const config::v1::PolicyRule& rule, const std::vector<std::string>& leaves,
                       const std::string& path, const config::Locations& locations) {
  if (absl::Status identity = CheckIdentity(rule.identity(), path, locations); !identity.ok()) {
    return identity;
  }
  if (rule.role() == config::v1::ROLE_OPERATOR) {
    if (rule.allow().empty()) return absl::OkStatus();
    return locations.Error(
        absl::StrCat(path, ".allow"),
        "an operator draws nothing; remove allow, or add a rule with role: reader");
  }
  if (rule.allow().empty()) {
    return locations.Error(path, absl::StrCat("role ", RoleName(rule.role()),
                                              " may draw from no class; add e.g. allow: [\"",
                                              leaves.empty() ? "default/gold" : leaves[0], "\"]"));
  }
  for (int i = 0; i < rule.allow_size(); ++i) {
    const std::string& pattern = rule.allow(i);
    const bool known = std::any_of(leaves.begin(), leaves.end(), [&](const std::string& leaf) {
      return MatchesPattern(pattern, leaf);
    });
    if (known) continue;
    return locations.Error(absl::StrCat(path, ".allow[", i, "]"),
                           absl::StrCat("'", pattern, "' names no leaf class; there are ",
                                        absl::StrJoin(leaves, ", ")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Policy> Policy::Create(const config::v1::Server& config,
                                      const config::Locations& locations) {
  const std::vector<std::string> leaves = LeafNames(config);
  Policy policy;
  for (int i = 0; i < config.policy_size(); ++i) {
    const config::v1::PolicyRule& rule = config.policy(i);
    absl::Status status = CheckRule(rule, leaves, absl::StrCat("policy[", i, "]"), locations);
    if (!status.ok()) return status;
    policy.rules_.push_back({rule.identity(),
                             rule.role(),
                             {rule.allow().begin(), rule.allow().end()},
                             rule.max_weight()});
  }
  return policy;
}

absl::Status Policy::CheckDraws(const config::v1::Server& config,
                                const config::Locations& locations) {
  const auto draws = [](const config::v1::PolicyRule& rule) {
    return rule.role() == config::v1::ROLE_AGENT || rule.role() == config::v1::ROLE_READER;
  };
  if (std::any_of(config.policy().begin(), config.policy().end(), draws)) return absl::OkStatus();
  const std::vector<std::string> leaves = LeafNames(config);
  return locations.Error(
      "policy",
      absl::StrCat(config.policy().empty() ? "there is no rule" : "no rule lets anybody draw",
                   ", so the server would shut everybody out; is the file whole? add "
                   "e.g. - {identity: \"spiffe://dc1/agent/*\", role: agent, allow: [\"",
                   leaves.empty() ? "default/gold" : leaves[0], "\"]}"));
}

bool Policy::knows(config::v1::Role role) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [role](const Rule& rule) { return rule.role == role; });
}

absl::Status Policy::CheckRole(absl::string_view identity, config::v1::Role role) const {
  for (const Rule& rule : rules_) {
    if (rule.role == role && MatchesPattern(rule.identity, identity)) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat("permission denied: no policy rule gives ",
                                                  identity, " the role ", RoleName(role)));
}

bool Policy::HasAnyRole(absl::string_view identity) const {
  return std::any_of(rules_.begin(), rules_.end(), [identity](const Rule& rule) {
    return MatchesPattern(rule.identity, identity);
  });
}

absl::Status Policy::CheckClass(absl::string_view identity, config::v1::Role role,
                                absl::string_view pool_class) const {
  for (const Rule& rule : rules_) {
    if (rule.Allows(identity, role, pool_class)) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat("permission denied: no policy rule lets ",
                                                  identity, " draw from ", pool_class, " as ",
                                                  RoleName(role)));
}

uint32_t Policy::MaxWeight(absl::string_view identity, absl::string_view pool_class) const {
  uint32_t weight = 1;
  for (const Rule& rule : rules_) {
    if (rule.max_weight <= weight) continue;
    if (rule.Allows(identity, config::v1::ROLE_AGENT, pool_class)) weight = rule.max_weight;
  }
  return weight;
}

bool Policy::Rule::Allows(absl::string_view who, config::v1::Role as,
                          absl::string_view pool_class) const {
  if (role != as || !MatchesPattern(identity, who)) return false;
  return std::any_of(allow.begin(), allow.end(), [pool_class](const std::string& pattern) {
    return MatchesPattern(pattern, pool_class);
  });
}

}  // namespace entropyd
