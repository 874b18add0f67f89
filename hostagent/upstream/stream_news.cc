#include "hostagent/upstream/stream_news.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "base/wire/connection_remedy.h"

namespace entropyd {
namespace {

// Another stream has our identity and host_id: from a cloned host, or a second agent.
bool IsReplaced(absl::StatusCode code) {
  return code == absl::StatusCode::kAborted || code == absl::StatusCode::kAlreadyExists;
}

}  // namespace

bool DeservesPenalty(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:  // we, or the server, broke the protocol
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kFailedPrecondition:  // version
    case absl::StatusCode::kDeadlineExceeded:    // it saw no Hello
    case absl::StatusCode::kUnauthenticated:     // certificate revoked
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:  // no entropyd
    case absl::StatusCode::kAborted:        // replaced by our double
    case absl::StatusCode::kAlreadyExists:
      return true;
    default:
      return false;
  }
}

absl::Status WithStep(const absl::Status& why) {
  if (why.ok()) return why;
  return absl::Status(why.code(),
                      absl::StrCat(StepWord(StepOf(why.message())), ": ", why.message()));
}

namespace {

// Where the server has accepted us already, a connection that ends says nothing about certificates.
absl::string_view Remedy(bool attached, const absl::Status& why) {
  if (attached && absl::StrContains(why.message(), "Socket closed")) {
    return "the server has ended, or the network between was cut: its log says which";
  }
  return ConnectionRemedy(why.message());
}

}  // namespace

StreamNews::StreamNews(Log* log, Metrics* metrics)
    : log_(log),
      metrics_(metrics),
      replaced_(metrics->AddCounter(
          "entropyd_agent_upstream_superseded_total",
          "Streams ended because another agent attached with this host's identity and host_id.")),
      connected_(metrics->AddGauge("entropyd_agent_upstream_connected",
                                   "1 while the agent is attached to a server.")),
      reconnects_(metrics->AddCounter("entropyd_agent_upstream_reconnects_total",
                                      "Streams attached after the first.")) {}

void StreamNews::Attached(const std::string& server) {
  if (attached_++ > 0) reconnects_->Increment();
  connected_->Set(1);
  log_->Info("upstream.attached", {{"server", server}});
}

void StreamNews::Ended(const std::string& server, bool attached, const absl::Status& why,
                       int64_t retry_in_nanos) {
  metrics_
      ->AddCounter("entropyd_agent_upstream_stream_errors_total",
                   "Streams that ended or could not be attached, by gRPC status code.",
                   {{"code", absl::StatusCodeToString(why.code())}})
      ->Increment();
  if (IsReplaced(why.code())) {
    replaced_->Increment();
    log_->Error("upstream.superseded",
                {{"server", server},
                 {"reason",
                  "another agent uses this host's certificate and host_id; after cloning a "
                  "host remove the host_id file and issue a certificate of its own"}});
  }
  const int64_t retry_ms = retry_in_nanos / kMillisecondNanos;
  const absl::string_view remedy = Remedy(attached, why);
  if (remedy.empty()) {
    log_->Warning(
        "upstream.ended",
        {{"server", server}, {"attached", attached}, {"status", why}, {"retry_in_ms", retry_ms}});
  } else {
    log_->Warning("upstream.ended", {{"server", server},
                                     {"attached", attached},
                                     {"status", why},
                                     {"retry_in_ms", retry_ms},
                                     {"remedy", remedy}});
  }
}

}  // namespace entropyd
