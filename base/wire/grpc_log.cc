#include "base/wire/grpc_log.h"

#include <stdlib.h>
#include <string.h>

#include "absl/base/attributes.h"
#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "base/crypto/handshake_watch.h"
#include "base/wire/connection_remedy.h"
#include "grpc/support/log.h"

namespace entropyd {
namespace {

// A line that is being told keeps its target.
ABSL_CONST_INIT absl::Mutex mutex(absl::kConstInit);
GrpcLines* target ABSL_GUARDED_BY(mutex) = nullptr;

void Receive(gpr_log_func_args* line) {
  absl::ReaderMutexLock lock(&mutex);
  if (target == nullptr) return;
  const char* const slash = strrchr(line->file, '/');
  target->Line(absl::StrCat(slash == nullptr ? line->file : slash + 1, ":", line->line),
               line->message);
  // abort() follows, and would not wait for the log's thread.
  if (absl::StartsWith(line->message, "assertion failed")) target->Flush();
}

// "Handshake failed with fatal error SSL_ERROR_SSL: error:0A0000C7:SSL routines::peer did not ...":
// what OpenSSL says, as in its own error strings.
absl::string_view ReasonOf(absl::string_view message) {
  const size_t reason = message.rfind("::");
  if (reason != absl::string_view::npos) message.remove_prefix(reason + 2);
  return absl::StripSuffix(message, ".");
}

// What gRPC says when a server has refused our certificate. The error of the call says it better
// (base/wire/refused_handshake.h).
bool FollowsAnAlert(absl::string_view message) {
  if (tls::LastAlert().description == 0) return false;
  for (const absl::string_view begin :
       {"Corruption detected.", "Decryption error: TSI_DATA_CORRUPTED", "SSL_write failed with"}) {
    if (absl::StartsWith(message, begin)) return true;
  }
  return absl::StartsWith(message, "error:") && absl::StrContains(message, " alert ");
}

}  // namespace

std::vector<std::string> ClearGrpcVariables() {
  std::vector<std::string> cleared;
  for (const char* const name :
       {"GRPC_TRACE", "GRPC_VERBOSITY", "GRPC_STACKTRACE_MINLOGLEVEL", "SSLKEYLOGFILE"}) {
    if (getenv(name) == nullptr) continue;
    unsetenv(name);
    cleared.emplace_back(name);
  }
  return cleared;
}

void TellCleared(const std::vector<std::string>& names, Log* log) {
  if (names.empty()) return;
  log->Warning("environment.cleared",
               {{"variables", absl::StrJoin(names, ",")},
                {"reason", "what they ask for would write secrets"},
                {"remedy", "none needed; unset them to be rid of this line"}});
}

void GrpcLines::Refused(absl::string_view message) {
  const tls::Handshake handshake = tls::TakeHandshake();
  std::string reason(ReasonOf(message));
  if (!handshake.problem.empty()) absl::StrAppend(&reason, ": ", handshake.problem);
  // Not for each name that a certificate bears: these are the peer's choice.
  const LineCount count = limit_.Ask(reason, clock_->NowNanos());
  if (count == 0) return;
  // Before a name of the peer's choice stands in it.
  const absl::string_view remedy =
      handshake.server ? ServerRemedy(reason) : ConnectionRemedy(reason);
  if (!handshake.at_fault.empty()) absl::StrAppend(&reason, " (that of ", handshake.at_fault, ")");
  if (!handshake.identity.empty()) {
    log_->Warning("tls.refused", {{"reason", reason},
                                  {"identity", handshake.identity},
                                  {"peer", handshake.peer},
                                  {"subject", handshake.subject},
                                  {"issuer", handshake.issuer},
                                  {"remedy", remedy},
                                  {count.key(), count.events}});
    return;
  }
  if (handshake.problem.empty()) {
    log_->Warning("tls.refused", {{"reason", reason},
                                  {"peer", handshake.peer},
                                  {"remedy", remedy},
                                  {count.key(), count.events}});
    return;
  }
  log_->Warning("tls.refused", {{"reason", reason},
                                {"peer", handshake.peer},
                                {"subject", handshake.subject},
                                {"issuer", handshake.issuer},
                                {"remedy", remedy},
                                {count.key(), count.events}});
}

void GrpcLines::Line(absl::string_view place, absl::string_view message) {
  if (absl::StartsWith(message, "Handshake failed")) {
    Refused(message);
    return;
  }
  if (FollowsAnAlert(message)) return;
  const LineCount count = limit_.Ask(place, clock_->NowNanos());
  if (count == 0) return;
  log_->Warning("grpc.error",
                {{"message", message}, {"place", place}, {count.key(), count.events}});
}

GrpcLines::~GrpcLines() {
  absl::MutexLock lock(&mutex);
  if (target == this) target = nullptr;
}

void SendGrpcLogTo(GrpcLines* lines) {
  {
    absl::MutexLock lock(&mutex);
    target = lines;
  }
  tls::WatchHandshakes();
  gpr_set_log_function(&Receive);
}

}  // namespace entropyd
