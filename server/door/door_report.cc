#include "server/door/door_report.h"

namespace entropyd {
namespace {

struct Text {
  const char* reason;
  const char* remedy;
};

Text Of(Full full) {
  switch (full) {
    case Full::kAddress:
      return {"address",
              "look at what connects from there without a call; max_handshakes_per_address"};
    case Full::kStrangers:
      return {"handshakes", "look at what connects without a certificate; max_handshakes"};
    case Full::kConnections:
      return {"connections", "max_connections"};
    case Full::kDescriptors:
      return {"descriptors", "LimitNOFILE= of the unit, or max_connections"};
    case Full::kDenials:
      return {"denials", "let `policy` give its certificate a role, or take the certificate away"};
    case Full::kSilence:
      return {"silence", "look at what connects from there with a certificate and asks nothing"};
    case Full::kCalls:
      return {"calls", "look at what calls from there so often; max_calls_per_identity_per_second"};
    case Full::kCertificate:
      return {"certificate",
              "none needed if you revoked it or took its role; one that expires has to be renewed "
              "before"};
    case Full::kNothing:
      break;
  }
  return {"none", ""};
}

constexpr Full kAll[] = {Full::kAddress, Full::kStrangers, Full::kConnections, Full::kDescriptors,
                         Full::kDenials, Full::kSilence,   Full::kCalls,       Full::kCertificate};

}  // namespace

DoorReport::DoorReport(Log* log, Metrics* metrics)
    : log_(log),
      accepted_(metrics->AddCounter("entropyd_connections_accepted_total",
                                    "Connections that were let in.")),
      connections_(metrics->AddGauge("entropyd_connections", "Open connections.")),
      strangers_(metrics->AddGauge("entropyd_handshakes_open",
                                   "Open connections on which no call has been admitted yet.")) {
  for (const Full full : kAll) {
    refusals_[static_cast<size_t>(full)].counter =
        metrics->AddCounter("entropyd_connections_refused_total",
                            "Connections that were refused or asked to leave, by what had no place "
                            "left, or by what their peer did.",
                            {{"reason", Of(full).reason}});
  }
}

void DoorReport::Refused(Full full, absl::string_view peer) {
  Refusals& refusals = refusals_[static_cast<size_t>(full)];
  refusals.counter->Increment();
  ++refusals.untold;
  refusals.peer = std::string(peer);
}

void DoorReport::Tell(int64_t now_nanos) {
  for (const Full full : kAll) {
    Refusals& refusals = refusals_[static_cast<size_t>(full)];
    if (refusals.untold == 0 || now_nanos < refusals.next_line_nanos) continue;
    log_->Warning("connection.refused", {{"reason", Of(full).reason},
                                         {"count", refusals.untold},
                                         {"peer", refusals.peer},
                                         {"remedy", Of(full).remedy}});
    refusals.untold = 0;
    refusals.next_line_nanos = now_nanos + kLineEveryNanos;
  }
}

void DoorReport::Count(size_t connections, size_t strangers) {
  connections_->Set(static_cast<double>(connections));
  strangers_->Set(static_cast<double>(strangers));
}

}  // namespace entropyd
