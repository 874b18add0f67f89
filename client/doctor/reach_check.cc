// The way from an agent to each of its servers: name, TCP, TLS, certificate, gRPC, one after the
// other, each with its own limit in time.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "base/process/bounded_socket.h"
#include "base/process/host_port.h"
#include "base/wire/connection_remedy.h"
#include "client/doctor/checks.h"
#include "client/doctor/tls_probe.h"

namespace entropyd::doctor {
namespace {

constexpr char kEditPolicy[] =
    "on the server: sensible-editor /etc/entropyd/server.yaml  # `policy`";
constexpr absl::Duration kNamePatience = absl::Seconds(3);
constexpr absl::Duration kTcpPatience = absl::Seconds(2);
constexpr absl::Duration kTlsPatience = absl::Seconds(3);
// Each may take its whole patience.
constexpr size_t kMaxTried = 3;
constexpr char kSetClock[] = "timedatectl set-ntp true";

// What one way was like: a trouble, or words for who wants to know.
struct Way {
  absl::optional<Trouble> trouble;
  std::string passed = {};
};

std::string ShowTime(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

Trouble At(const std::string& server, ConnectionStep step, absl::string_view what,
           absl::string_view why, absl::string_view mend) {
  return {.what = absl::StrCat("server ", server, ": ", StepWord(step), ": ", what),
          .why = std::string(why),
          .mend = std::string(mend)};
}

std::string WhyOf(absl::string_view said, absl::string_view otherwise) {
  const absl::string_view remedy = ConnectionRemedy(said);
  return std::string(remedy.empty() ? otherwise : remedy);
}

// A connection to one of the addresses.
absl::StatusOr<UniqueFd> Connect(const NameLookup::Addresses& addresses) {
  absl::Status last = absl::UnavailableError("no address");
  for (size_t i = 0; i < std::min(addresses.size(), kMaxTried); ++i) {
    absl::StatusOr<UniqueFd> socket = ConnectWithin(addresses[i], absl::Now() + kTcpPatience);
    if (socket.ok()) return socket;
    last = socket.status();
  }
  return last;
}

// What is wrong with the server's certificate, by our clock and our CA.
absl::optional<Trouble> JudgeServer(const std::string& server, const std::string& host,
                                    const TlsProbe& probe, absl::Time now,
                                    const config::v1::ClientTls& tls) {
  const auto trouble = [&](absl::string_view what, absl::string_view why, absl::string_view mend) {
    return At(server, ConnectionStep::kTls, what, why, mend);
  };
  if (probe.trust == TlsProbe::Trust::kNotYetValid) {
    return trouble(absl::StrCat("its certificate is valid from ", ShowTime(probe.not_before),
                                ", and this machine's clock says ", ShowTime(now)),
                   "the clocks of the two machines differ", kSetClock);
  }
  if (probe.trust == TlsProbe::Trust::kExpired) {
    return trouble(absl::StrCat("its certificate has expired at ", ShowTime(probe.not_after),
                                "; this machine's clock says ", ShowTime(now)),
                   "nobody can attach to it",
                   "on the server: entropyctl pki issue, and write it over "
                   "the old files");
  }
  if (probe.trust != TlsProbe::Trust::kGood) {
    return trouble(absl::StrCat("its certificate (", probe.subject, ", issued by ", probe.issuer,
                                ") is not of a CA in ", tls.ca(), ": ", probe.trust_problem),
                   "the agent does not trust it",
                   absl::StrCat("install -m 644 CA/ca.crt ", tls.ca()));
  }
  if (!probe.name_fits) {
    return trouble(
        absl::StrCat("its certificate (", probe.subject, ") does not have the name ", host),
        "the agent does not trust it",
        absl::StrCat("on the server: entropyctl pki issue … --dns ", host));
  }
  return absl::nullopt;
}

// What the server says of our certificate.
absl::optional<Trouble> JudgeAnswer(const std::string& server, const TlsProbe& probe,
                                    const absl::StatusOr<tls::Material>& own) {
  if (probe.answered || !own.ok()) return absl::nullopt;
  const std::string said = probe.alert.empty() ? "it says nothing after the handshake"
                                               : absl::StrCat("it says \"", probe.alert, "\"");
  if (absl::StrContains(probe.alert, "certificate expired")) {
    return At(server, ConnectionStep::kTls,
              absl::StrCat(said, ", and by this machine's clock our certificate is valid until ",
                           ShowTime(own->not_after)),
              "the clocks of the two machines differ", kSetClock);
  }
  // At this point of a handshake it can mean nothing else.
  if (absl::StrContains(probe.alert, "handshake failure")) {
    return At(server, ConnectionStep::kTls,
              absl::StrCat("no policy rule gives ", own->identity, " a role"),
              "its policy does not know this host", kEditPolicy);
  }
  return At(server, ConnectionStep::kTls, said,
            WhyOf(probe.alert, "it does not accept our certificate"),
            "on the server: grep tls.refused in its log, which says why");
}

Way LookAtGrpc(const Subject& subject, const std::string& server) {
  const absl::StatusOr<bool> serving = subject.machine.serving(server, subject.service.agent.tls());
  if (serving.ok() && *serving) return {absl::nullopt, absl::StrCat(server, " serves")};
  if (serving.ok()) {
    return {At(server, ConnectionStep::kHello, "it says that it does not serve now",
               "it drains, or a pool is not ready", "on the server: entropyctl status")};
  }
  const std::string what(serving.status().message());
  if (absl::IsPermissionDenied(serving.status())) {
    return {At(server, ConnectionStep::kHello, what, "its policy does not know this host",
               kEditPolicy)};
  }
  return {At(server, ConnectionStep::kHello, what, WhyOf(what, "the server refuses the call"),
             "on the server: entropyctl status")};
}

Way LookAtWay(const Subject& subject, const std::string& server) {
  const config::v1::ClientTls& tls = subject.service.agent.tls();
  const absl::StatusOr<HostPort> where = ParseRemoteHostPort(server);
  if (!where.ok()) return {};  // the configuration's check tells it
  const NameLookup::Answer found = NameLookup(subject.machine.resolve, kNamePatience).Find(server);
  if (!found.ok()) {
    return {At(server, ConnectionStep::kName, found.status().message(),
               "no server is found by that name", absl::StrCat("getent ahosts ", where->host))};
  }
  const absl::StatusOr<UniqueFd> socket = Connect(*found);
  if (!socket.ok()) {
    return {At(server, ConnectionStep::kTcp, socket.status().message(),
               WhyOf(socket.status().message(), ConnectionRemedy(kNoConnection)),
               absl::StrCat("on ", where->host, ": systemctl restart entropyd"))};
  }
  const absl::Time now = subject.machine.now();
  const absl::StatusOr<tls::Material> own =
      tls::LoadMaterial(tls.cert(), tls.key(), tls.ca(), "", now);
  const OwnTls pem = own.ok() ? OwnTls{own->cert_pem, own->key_pem, own->ca_pem}
                              : OwnTls{"", "", ReadSystemFile(tls.ca())};
  const std::string& host = tls.server_name().empty() ? where->host : tls.server_name();
  const absl::StatusOr<TlsProbe> probe =
      ProbeTls(socket->get(), pem, host, absl::Now() + kTlsPatience);
  if (!probe.ok()) {
    return {At(
        server, ConnectionStep::kTls, probe.status().message(),
        WhyOf(probe.status().message(), "somebody takes the connection there, and is no entropyd"),
        absl::StrCat("openssl s_client -connect ", server))};
  }
  if (auto trouble = JudgeServer(server, host, *probe, now, tls); trouble.has_value())
    return {trouble};
  if (auto trouble = JudgeAnswer(server, *probe, own); trouble.has_value()) return {trouble};
  if (!own.ok()) {
    return {absl::nullopt, absl::StrCat(server, " is there; not asked, for want of a certificate")};
  }
  return LookAtGrpc(subject, server);
}

}  // namespace

void LookAtServers(const Subject& subject, Report* report) {
  std::vector<Way> ways;
  for (const std::string& server : subject.service.agent.servers()) {
    ways.push_back(LookAtWay(subject, server));
  }
  const bool one_is_good = std::any_of(ways.begin(), ways.end(),
                                       [](const Way& way) { return !way.trouble.has_value(); });
  for (Way& way : ways) {
    if (!way.trouble.has_value()) {
      report->Passed(way.passed);
    } else if (one_is_good) {
      report->Warn(*std::move(way.trouble));
    } else {
      report->Broken(*std::move(way.trouble));
    }
  }
}

}  // namespace entropyd::doctor
