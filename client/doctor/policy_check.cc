// Rules of a policy that nobody's certificate can match, and certificates that no rule matches.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/spiffe_id.h"
#include "base/crypto/tls.h"
#include "base/text/match_pattern.h"
#include "base/text/quoting.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

using config::v1::PolicyRule;

// Why no certificate can have such a name; "" = one can.
std::string WhyNobody(const std::string& pattern) {
  if (absl::StartsWith(pattern, kSpiffeScheme)) {
    // Any character that a star may stand for will do.
    const absl::Status status = CheckSpiffeId(absl::StrReplaceAll(pattern, {{"*", "x"}}));
    return std::string(status.message());
  }
  if (absl::StartsWith(pattern, "cn:") && pattern.find_first_of(":/", 3) != std::string::npos) {
    return "a CN with ':' or '/' is refused";
  }
  if (absl::StartsWith(pattern, "dns:") && pattern.find_first_of(":/ ", 4) != std::string::npos) {
    return "a DNS name has none of ':', '/' and blanks";
  }
  return "";
}

// "dc1" of "spiffe://dc1/agent/*"; "" for other names.
absl::string_view TrustDomain(absl::string_view identity) {
  if (!absl::ConsumePrefix(&identity, kSpiffeScheme)) return "";
  return identity.substr(0, identity.find('/'));
}

bool Gives(const PolicyRule& rule, const std::string& identity, bool agent) {
  return MatchesPattern(rule.identity(), identity) &&
         (!agent || rule.role() == config::v1::ROLE_AGENT);
}

std::string Edit(const Subject& subject) {
  return absl::StrCat("sensible-editor ", ShellWord(subject.service.config_path), "  # `policy`");
}

// Each client on this machine that the server's CA has signed should be somebody there.
void LookAtClients(const Subject& subject, Report* report) {
  const config::v1::Server& config = subject.service.server;
  const Service::TlsPaths tls = subject.service.tls();
  const absl::StatusOr<tls::Authorities> authorities = tls::LoadAuthorities(tls.ca, "");
  if (!authorities.ok()) return;  // the certificate's check tells it
  for (const Subject::Client& client : subject.clients) {
    const std::string pem = ReadSystemFile(client.cert);
    const absl::StatusOr<tls::PeerIdentity> who = tls::IdentityOfPem(pem);
    if (!who.ok() || !authorities->trust->Check(pem, pem).ok()) continue;
    const bool known =
        std::any_of(config.policy().begin(), config.policy().end(),
                    [&](const PolicyRule& rule) { return Gives(rule, who->name, client.agent); });
    if (known) continue;
    report->Broken(
        {.what = absl::StrCat("no rule of the policy gives ", who->name, " (", client.file, ") ",
                              client.agent ? "the role agent" : "any role"),
         .why = "the server refuses it",
         .mend = Edit(subject)});
  }
}

}  // namespace

void LookAtPolicy(const Subject& subject, Report* report) {
  const config::v1::Server& config = subject.service.server;
  const absl::StatusOr<tls::PeerIdentity> self =
      tls::IdentityOfPem(ReadSystemFile(subject.service.tls().cert));
  const absl::string_view domain = self.ok() ? TrustDomain(self->name) : "";
  bool ours = domain.empty() || config.policy().empty();
  for (int i = 0; i < config.policy_size(); ++i) {
    const std::string& pattern = config.policy(i).identity();
    ours = ours || TrustDomain(pattern).empty() || MatchesPattern(TrustDomain(pattern), domain);
    const std::string why = WhyNobody(pattern);
    if (why.empty()) continue;
    report->Warn({.what = absl::StrCat("policy[", i, "] matches nobody: '", pattern, "': ", why),
                  .why = "whom it was meant for is refused",
                  .mend = Edit(subject),
                  .key = absl::StrCat("policy[", i, "].identity")});
  }
  if (!ours) {
    report->Warn({.what = absl::StrCat(
                      "no rule of the policy is for the trust domain of this server, ", domain),
                  .why = "its agents are of that domain, unless they have a CA of their own",
                  .mend = Edit(subject),
                  .key = "policy"});
  }
  LookAtClients(subject, report);
  report->Passed(absl::StrCat(config.policy_size(), " rules, each can match somebody"));
}

}  // namespace entropyd::doctor
