#include "base/wire/connection_remedy.h"

#include "absl/strings/match.h"
#include "absl/types/span.h"

namespace entropyd {
namespace {

struct Cause {
  // What OpenSSL 3.0 or gRPC 1.51 says. It does not depend on the locale.
  absl::string_view text;
  absl::string_view remedy;
};

// The more exact text comes first. gRPC 1.51 does not always tell why a certificate could not be
// verified.
constexpr Cause kCauses[] = {
    {"is not in peer certificate",
     "the peer's certificate has another name: connect by a name that it has, or give such a name "
     "as tls.server_name (entropyctl: --server-name)"},
    {"certificate has expired", "the peer's certificate has expired: renew it there"},
    {"certificate is not yet valid",
     "the peer's certificate is not valid yet: compare the clocks of both machines"},
    {"unable to get local issuer certificate",
     "the peer's certificate is of another CA: give that one as tls.ca"},
    {"self-signed certificate", "the peer's certificate is of another CA: give that one as tls.ca"},
    {"certificate verify failed",
     "the peer's certificate is of another CA than tls.ca, or has expired, or is not valid yet: "
     "openssl s_client -connect HOST:PORT -CAfile CA tells which"},
    {"wrong version number", "the peer does not speak TLS: correct host and port"},
    // Only servers hear these two.
    {"peer did not return a certificate",
     "the peer has no certificate: give it one (an agent: tls.cert and tls.key, entropyctl: --cert "
     "and --key); a stranger needs none"},
    {"http request",
     "the peer speaks HTTP without TLS, as to a web server: metrics and health have a port of "
     "their own (metrics)"},
    {"alert unknown ca",
     "the peer does not know the CA of our certificate: issue one by the CA that the peer trusts"},
    {"alert certificate expired", "our certificate has expired: renew it"},
    {"alert certificate revoked", "our certificate is revoked: issue a new one"},
    {"alert certificate required", "the peer wants a certificate: give tls.cert and tls.key"},
    {"alert bad certificate", "the peer refuses our certificate: its log says why"},
    {"alert unsupported certificate",
     "our certificate is not for clients: issue one with the extended key usage clientAuth"},
    {"TLS alert internal error", "the server has a fault of its own: its log says which"},
    {"alert protocol version", "one of the two does not speak TLS 1.3: update it"},
    {"Connection refused", "nothing listens there: start the server, or correct host and port"},
    {"Network is unreachable",
     "this machine has no route there: look at its interfaces and routes (ip route get HOST)"},
    {"No route to host",
     "no machine answers at this address, or a router says so: correct host, or start that "
     "machine"},
    {"Permission denied", "a firewall of this machine forbids the connection: allow it there"},
    {"Connection timed out",
     "nothing comes back: a firewall drops it, or the machine is down; correct host and port"},
    {"Connection reset by peer",
     "the peer, or a firewall, cuts connections: it may have too many of them; its log says why"},
    // With TLS 1.3 the client's handshake is over before the server looks at its certificate.
    {"Socket closed",
     "the peer ended the connection: if it does so each time, it does not accept our certificate, "
     "and its log says why (tls.refused)"},
    {"DNS resolution failed",
     "the name could not be resolved: correct it, or look at the resolver (getent ahosts NAME)"},
    {kLookUp,
     "the name could not be resolved: correct it, or look at the resolver (getent ahosts NAME)"},
    {kNoConnection,
     "nothing comes back from there: a firewall drops it, or the machine is down; correct host and "
     "port"},
    {"Handshake read failed",
     "somebody takes the connection there and does not speak TLS: correct host and port, or look "
     "whether that server hangs"},
    {"connected, but no ",
     "the server, or a proxy before it, takes the connection and says nothing: look at its log"},
    {"keepalive watchdog timeout",
     "the server, or a proxy before it, takes the connection and says nothing: look at its log"},
    {"missing selected ALPN property",
     "the peer speaks TLS, but is no entropyd, or a proxy stands between: correct host and port"},
    // Ours: of a policy, of an agent that attaches, and of a call.
    {"no policy rule gives",
     "add a rule to `policy` of the server, or use a certificate that one of its rules names"},
    {"TCP: no answer within",
     "nothing comes back from there: a firewall drops it, or the machine is down; correct host and "
     "port"},
    {"TLS: no answer within",
     "somebody takes the connection there and does not speak TLS: correct host and port, or look "
     "whether that server hangs"},
    {"no answer within",
     "either nothing comes back from there (a firewall, a resolver), or the server hangs: "
     "openssl s_client -connect HOST:PORT tells which"},
};

// Where a server has to act otherwise than one who connects.
constexpr Cause kCausesOfServers[] = {
    {"no policy rule gives",
     "add a rule for this identity to `policy`, or take the certificate away"},
    {"is revoked", "none needed if you revoked it; else give the peer a new certificate"},
    {"names nobody", "give the peer a certificate with one SPIFFE URI, or a DNS name, or one CN"},
    {"bytes, besides its own",
     "leave in the peer's tls.cert only its own certificate and those of the CAs between it and "
     "one of tls.client_ca"},
    {"nobody is here to examine its certificate",
     "a fault of this server, which lets nobody in: restart it, and report this line"},
    {"leads to no CA that is trusted here",
     "the peer's certificate is of a CA that is no longer in tls.client_ca: give the peer one of a "
     "CA that is, or add its CA"},
    {"unable to get local issuer certificate",
     "the peer's certificate is of a CA that is not in tls.client_ca: give the peer one of a CA "
     "that is, or add its CA"},
    {"self-signed certificate",
     "the peer's certificate is of a CA that is not in tls.client_ca: give the peer one of a CA "
     "that is, or add its CA"},
    {"unsuitable certificate purpose",
     "the peer's certificate is not for clients: issue one with the extended key usage clientAuth"},
    {"certificate has expired", "the peer's certificate has expired: renew it there"},
    {"certificate is not yet valid",
     "the peer's certificate is not valid yet: compare the clocks of both machines"},
    {"certificate verify failed",
     "the peer's certificate is not accepted: openssl verify -CAfile CLIENT_CA CERT tells why"},
    {"wrong version number",
     "the peer does not speak TLS: correct what connects from there; a port scan needs no remedy"},
    {"unsupported protocol", "the peer speaks an older TLS than 1.3: update it"},
    {"alert unknown ca",
     "the peer does not know the CA of our certificate: give it that CA as tls.ca, or issue our "
     "certificate by the CA that it trusts"},
};

absl::string_view RemedyOf(absl::string_view text, absl::Span<const Cause> causes) {
  for (const Cause& cause : causes) {
    if (absl::StrContains(text, cause.text)) return cause.remedy;
  }
  return "";
}

}  // namespace

absl::string_view StepWord(ConnectionStep step) {
  switch (step) {
    case ConnectionStep::kName:
      return "name";
    case ConnectionStep::kTcp:
      return "TCP";
    case ConnectionStep::kTls:
      return "TLS";
    case ConnectionStep::kHello:
      return "Hello";
  }
  return "";
}

ConnectionStep StepOf(absl::string_view text) {
  if (absl::StrContains(text, "DNS resolution failed") || absl::StrContains(text, kLookUp)) {
    return ConnectionStep::kName;
  }
  if (absl::StrContains(text, "Failed to connect to remote host") ||
      absl::StrContains(text, kNoConnection)) {
    return ConnectionStep::kTcp;
  }
  // A server refuses our certificate (base/wire/refused_handshake.h).
  if (absl::StrContains(text, "(alert ")) return ConnectionStep::kTls;
  // After the handshake gRPC waits for the peer's HTTP/2, and calls that "to connect", too.
  if (absl::StrContains(text, "failed to connect to all addresses") &&
      !absl::StrContains(text, "keepalive watchdog timeout")) {
    return ConnectionStep::kTls;
  }
  return ConnectionStep::kHello;
}

absl::string_view ConnectionRemedy(absl::string_view text) { return RemedyOf(text, kCauses); }

absl::string_view ServerRemedy(absl::string_view text) {
  const absl::string_view remedy = RemedyOf(text, kCausesOfServers);
  return remedy.empty() ? ConnectionRemedy(text) : remedy;
}

}  // namespace entropyd
