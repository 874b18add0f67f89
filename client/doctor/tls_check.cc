// Certificate, key, CA and revocation lists of a service, read by the code that the programs use.
#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/crypto/peer_identity.h"
#include "base/crypto/tls.h"
#include "base/text/quoting.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

// As the alerts CertExpiringSoon and AgentCertExpiringSoon.
constexpr absl::Duration kSoon = absl::Hours(7 * 24);

std::string ShowUtc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// Those who connect to a server look for its name, too.
std::string IssueCommand(const Service& service, const std::string& identity) {
  const bool spiffe = absl::StartsWith(identity, "spiffe://");
  return absl::StrCat("entropyctl pki issue --dir CA --name NAME ",
                      spiffe ? absl::StrCat("--spiffe ", identity) : "--spiffe ID",
                      service.role == Role::kServer ? " --dns HOST" : "",
                      ", and move the two files over the old ones");
}

// Of what the error speaks.
std::string FileOf(const Service::TlsPaths& tls, absl::string_view key) {
  return key == "cert" ? tls.cert : key == "key" ? tls.key : key == "ca" ? tls.ca : tls.crl;
}

std::string KeyOf(const Service::TlsPaths& tls, absl::string_view key) {
  return key.empty() ? "tls" : absl::StrCat("tls.", key == "ca" ? tls.ca_key : std::string(key));
}

// True when only this process lacks the right, and the service has it.
bool IsOurs(const Subject& subject, const absl::Status& status, const std::string& file) {
  return absl::IsPermissionDenied(status) && WhyNot(subject.service.actor, file, kRead).empty();
}

void TellMaterial(const Subject& subject, const absl::Status& status, Report* report) {
  const Service::TlsPaths tls = subject.service.tls();
  const absl::string_view key = tls::MaterialKey(status);
  const std::string file = FileOf(tls, key);
  if (IsOurs(subject, status, file)) {
    report->Unknown(absl::StrCat(SplitRemedy(status.message()).what, " (run the doctor as root)"));
    return;
  }
  const Message said = SplitRemedy(status.message());
  Trouble trouble = {
      .what = said.what,
      .why = absl::StrCat("without it the ", subject.service.word(), " connects with ",
                          "nobody: it waits until the files can be used"),
      .key = KeyOf(tls, key)};
  const bool expired = absl::StrContains(said.what, ": expired at ");
  const bool early = absl::StrContains(said.what, ": not valid before ");
  const absl::StatusOr<tls::PeerIdentity> who = tls::IdentityOfPem(ReadSystemFile(tls.cert));
  if (early) {
    trouble.mend = "timedatectl set-ntp true";
  } else if (expired || key == "cert" || key == "key") {
    trouble.mend = IssueCommand(subject.service, who.ok() ? who->name : "");
  } else {
    trouble.mend = absl::StrCat("install -m 644 ca.crt ", ShellWord(file),
                                "  # of the CA that the others have");
  }
  report->Broken(std::move(trouble));
}

}  // namespace

void LookAtCertificate(const Subject& subject, Report* report) {
  const Service::TlsPaths tls = subject.service.tls();
  const absl::Time now = subject.machine.now();
  const absl::StatusOr<tls::Material> material =
      tls::LoadMaterial(tls.cert, tls.key, tls.ca, /*crl=*/"", now);
  if (!material.ok()) return TellMaterial(subject, material.status(), report);
  const std::string until = ShowUtc(material->not_after);
  if (material->not_after - now < kSoon) {
    return report->Warn({.what = absl::StrCat(tls.cert, " expires at ", until),
                         .why = absl::StrCat("from then on nobody accepts ", material->identity),
                         .mend = IssueCommand(subject.service, material->identity),
                         .key = "tls.cert"});
  }
  report->Passed(absl::StrCat(material->identity, ", valid until ", until));
}

void LookAtKey(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  const Service::TlsPaths tls = service.tls();
  const std::pair<const char*, std::string> files[] = {
      {"cert", tls.cert}, {"key", tls.key}, {"ca", tls.ca}, {"crl", tls.crl}};
  for (const auto& [key, file] : files) {
    const std::string why_not = file.empty() ? "" : WhyNot(service.actor, file, kRead);
    if (why_not.empty() || absl::StartsWith(why_not, "there is no ")) continue;
    report->Broken(
        {.what = why_not,
         .why = absl::StrCat("the ", service.word(), " runs as ", service.actor.name,
                             " and needs the file"),
         .mend = absl::StrCat("setfacl -m u:", service.actor.uid, ":r ", ShellWord(file)),
         .key = KeyOf(tls, key)});
  }
  struct stat found;
  if (stat(tls.key.c_str(), &found) != 0) return;  // the certificate's check tells it
  mode_t kept = found.st_mode & 07777 & ~mode_t{S_IRWXO};
  const bool own_group = found.st_gid == 0 || service.actor.groups.count(found.st_gid) > 0;
  if (!own_group) kept &= ~mode_t{S_IRWXG};
  if (kept != (found.st_mode & 07777)) {
    return report->Warn(
        {.what = absl::StrCat("others may use the key ", tls.key, " (", ShowMode(tls.key), ")"),
         .why = absl::StrCat("whoever reads it can pretend to be this ", service.word()),
         .key = "tls.key",
         .fix = Fix{Fix::Kind::kMode, tls.key, kept}});
  }
  report->Passed(absl::StrCat(tls.key, " is private (", ShowMode(tls.key), ")"));
}

void LookAtCrl(const Subject& subject, Report* report) {
  const Service::TlsPaths tls = subject.service.tls();
  if (tls.crl.empty()) return report->Passed("no list is configured");
  const absl::StatusOr<tls::Authorities> lists = tls::LoadAuthorities(tls.ca, tls.crl);
  if (!lists.ok()) {
    const absl::string_view key = tls::MaterialKey(lists.status());
    if (key != "crl") return report->Unknown(absl::StrCat("no list without the CA: ", tls.ca));
    if (IsOurs(subject, lists.status(), tls.crl)) {
      return report->Unknown(absl::StrCat(lists.status().message(), " (run the doctor as root)"));
    }
    return report->Broken({.what = SplitRemedy(lists.status().message()).what,
                           .why = "a server does not start without it, and one that runs does not "
                                  "learn who is revoked",
                           .mend = absl::StrCat("install -m 644 CA/crl.pem ", ShellWord(tls.crl)),
                           .key = "tls.crl"});
  }
  const std::vector<std::string> stale = lists->trust->StaleLists(subject.machine.now());
  if (!stale.empty()) {
    return report->Warn({.what = absl::StrCat(tls.crl, " is old: ", absl::StrJoin(stale, "; ")),
                         .why = "who was revoked since is still let in",
                         .mend = absl::StrCat("install -m 644 CA/crl.pem ", ShellWord(tls.crl)),
                         .key = "tls.crl"});
  }
  const absl::Status own = lists->trust->Check(ReadSystemFile(tls.cert), "");
  if (absl::IsPermissionDenied(own)) {
    return report->Broken({.what = absl::StrCat(tls.cert, " ", own.message()),
                           .why = "agents that have the list refuse this server",
                           .mend = IssueCommand(subject.service, ""),
                           .key = "tls.cert"});
  }
  report->Passed(absl::StrCat(tls.crl, " is good until ", ShowUtc(lists->trust->next_update())));
}

}  // namespace entropyd::doctor
