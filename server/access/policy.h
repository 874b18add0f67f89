// Who may do what: the policy maps identity patterns to roles and classes. What no rule allows is
// denied.
//
//   const Policy policy = Policy::Create(config, locations).value();
//   absl::Status allowed = policy.CheckClass(identity, config::v1::ROLE_AGENT, "default/gold");
//
// Errors: INVALID_ARGUMENT for the configuration, PERMISSION_DENIED for an identity.
//
// Thread safety: immutable after Create().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"

namespace entropyd {

class Policy {
 public:
  // Errors: INVALID_ARGUMENT with file:line:column for a rule that can never match or allow. That
  // is a rule whose identity has no type (spiffe://, dns: or cn:), or with a pattern of `allow`
  // that names no configured POOL/CLASS leaf; an agent or reader rule without `allow`; an operator
  // rule with one.
  static absl::StatusOr<Policy> Create(const config::v1::Server& config,
                                       const config::Locations& locations);

  // Refuses a configuration whose policy lets nobody draw: a file that ends too early looks like
  // this, and everybody would be shut out. Errors: INVALID_ARGUMENT with file:line:column.
  static absl::Status CheckDraws(const config::v1::Server& config,
                                 const config::Locations& locations);
  // Whether some rule is for this role.
  bool knows(config::v1::Role role) const;

  // OK, or PERMISSION_DENIED naming identity and role. One rule that matches is enough.
  absl::Status CheckRole(absl::string_view identity, config::v1::Role role) const;
  // Whether some rule gives `identity` a role, whichever.
  bool HasAnyRole(absl::string_view identity) const;
  // OK, or PERMISSION_DENIED: may `identity`, as agent or reader, get from POOL/CLASS?
  absl::Status CheckClass(absl::string_view identity, config::v1::Role role,
                          absl::string_view pool_class) const;
  // The greatest weight that `identity` may have as agent in POOL/CLASS: the largest max_weight of
  // the rules that allow it, at least 1.
  uint32_t MaxWeight(absl::string_view identity, absl::string_view pool_class) const;

 private:
  struct Rule {
    std::string identity;
    config::v1::Role role;
    std::vector<std::string> allow;
    uint32_t max_weight;
    bool Allows(absl::string_view who, config::v1::Role as, absl::string_view pool_class) const;
  };
  std::vector<Rule> rules_;
};

}  // namespace entropyd
