// One input = lines of text: rules of a policy as "ROLE|IDENTITY|ALLOW,ALLOW|MAX_WEIGHT", and
// questions as "?IDENTITY|POOL/CLASS". See README.md.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/config/config.h"
#include "server/access/policy.h"
#include "tests/fuzz/check.h"

namespace entropyd {
namespace {

using config::v1::PolicyRule;
using config::v1::Role;

constexpr const char* kLeaves[] = {"default/gold", "default/silver", "other/gold"};
// The second implementation of a pattern is as slow as two to the power of its stars.
constexpr size_t kMaxStars = 8;
constexpr size_t kMaxBytes = 64;

bool Matches(absl::string_view pattern, absl::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] != '*') {
    return !name.empty() && name[0] == pattern[0] && Matches(pattern.substr(1), name.substr(1));
  }
  if (Matches(pattern.substr(1), name)) return true;
  return !name.empty() && name[0] != '/' && Matches(pattern, name.substr(1));
}

config::v1::Server Classes() {
  config::v1::Server server;
  for (const char* leaf : kLeaves) {
    const std::vector<std::string> names = absl::StrSplit(leaf, '/');
    if (server.pools_size() == 0 || server.pools().rbegin()->name() != names[0]) {
      server.add_pools()->set_name(names[0]);
      auto* root = server.mutable_pools()->rbegin()->add_classes();
      root->set_name("root");
    }
    auto* added = server.mutable_pools()->rbegin()->add_classes();
    added->set_name(names[1]);
    added->set_parent("root");
  }
  return server;
}

bool Usable(absl::string_view pattern) {
  size_t stars = 0;
  for (const char c : pattern) stars += c == '*';
  return stars <= kMaxStars && pattern.size() <= kMaxBytes;
}

// The rules as they were written, for the second implementation.
struct Rules {
  config::v1::Server config = Classes();

  bool Add(absl::string_view line) {
    const std::vector<std::string> parts = absl::StrSplit(line, '|');
    if (parts.size() != 4 || !Usable(parts[1]) || !Usable(parts[2])) return false;
    PolicyRule* const rule = config.add_policy();
    rule->set_role(parts[0] == "agent"    ? config::v1::ROLE_AGENT
                   : parts[0] == "reader" ? config::v1::ROLE_READER
                                          : config::v1::ROLE_OPERATOR);
    rule->set_identity(parts[1]);
    for (const absl::string_view allow : absl::StrSplit(parts[2], ',', absl::SkipEmpty())) {
      rule->add_allow(std::string(allow));
    }
    uint32_t weight = 64;
    if (absl::SimpleAtoi(parts[3], &weight)) rule->set_max_weight(weight);
    return true;
  }

  bool HasRole(absl::string_view who, Role role) const {
    for (const PolicyRule& rule : config.policy()) {
      if (rule.role() == role && Matches(rule.identity(), who)) return true;
    }
    return false;
  }
  // The largest weight of the rules that allow it; 0 = none does.
  uint32_t Weight(absl::string_view who, Role role, absl::string_view leaf) const {
    uint32_t weight = 0;
    for (const PolicyRule& rule : config.policy()) {
      if (rule.role() != role || !Matches(rule.identity(), who)) continue;
      for (const std::string& allow : rule.allow()) {
        if (Matches(allow, leaf)) weight = std::max({weight, rule.max_weight(), 1u});
      }
    }
    return weight;
  }
};

void CheckRefusal(absl::string_view message) {
  FUZZ_CHECK(absl::StartsWith(message, "permission denied: no policy rule "));
}

void Ask(const Policy& policy, const Rules& rules, absl::string_view question) {
  const std::vector<std::string> parts = absl::StrSplit(question, absl::MaxSplits('|', 1));
  if (parts.size() != 2 || parts[0].size() > kMaxBytes || parts[1].size() > kMaxBytes) return;
  const std::string& who = parts[0];
  const std::string& leaf = parts[1];
  for (const Role role :
       {config::v1::ROLE_AGENT, config::v1::ROLE_READER, config::v1::ROLE_OPERATOR}) {
    const absl::Status has = policy.CheckRole(who, role);
    FUZZ_CHECK(has.ok() == rules.HasRole(who, role));
    if (!has.ok()) CheckRefusal(has.message());
    const absl::Status may = policy.CheckClass(who, role, leaf);
    FUZZ_CHECK(may.ok() == (rules.Weight(who, role, leaf) > 0));
    if (!may.ok()) CheckRefusal(may.message());
  }
  FUZZ_CHECK(policy.MaxWeight(who, leaf) ==
             std::max(1u, rules.Weight(who, config::v1::ROLE_AGENT, leaf)));
}

void Run(absl::string_view text) {
  Rules rules;
  std::vector<absl::string_view> questions;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "?")) {
      questions.push_back(line.substr(1));
    } else if (rules.config.policy_size() < 16) {
      rules.Add(line);
    }
  }
  const config::Locations locations;
  const absl::StatusOr<Policy> policy = Policy::Create(rules.config, locations);
  bool draws = false;
  for (const PolicyRule& rule : rules.config.policy()) {
    draws |= rule.role() != config::v1::ROLE_OPERATOR;
    // What is accepted can match somebody, and allows what there is.
    if (!policy.ok()) continue;
    FUZZ_CHECK(absl::StartsWith(rule.identity(), "spiffe://") ||
               absl::StartsWith(rule.identity(), "dns:") ||
               absl::StartsWith(rule.identity(), "cn:"));
    FUZZ_CHECK(rule.allow().empty() == (rule.role() == config::v1::ROLE_OPERATOR));
    for (const std::string& allow : rule.allow()) {
      bool known = false;
      for (const char* leaf : kLeaves) known |= Matches(allow, leaf);
      FUZZ_CHECK(known);
    }
  }
  FUZZ_CHECK(Policy::CheckDraws(rules.config, locations).ok() == draws);
  if (!policy.ok()) {
    FUZZ_CHECK(absl::StrContains(policy.status().message(), "policy["));
    return;
  }
  for (size_t i = 0; i < questions.size() && i < 16; ++i) Ask(*policy, rules, questions[i]);
}

}  // namespace
}  // namespace entropyd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
