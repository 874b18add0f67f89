// Puts what gRPC says by itself into our log. gRPC writes to stderr, in a form of its own, and once
// for each connection that a stranger opens.
//
//   const std::vector<std::string> cleared = ClearGrpcVariables();  // first of all
//   SendGrpcLogTo(&lines);                                          // before gRPC is used
//   TellCleared(cleared, &log);
//
// A handshake that failed, ours or a peer's, is an event `tls.refused` with its reason, and with a
// remedy for the common ones. It tells the peer's address and what its certificate says, as far as
// these are known (handshake_watch.h). Anything else is `grpc.error` with the place in gRPC's
// source. Each has one line in ten seconds, with a count.
//
// Errors: none.
//
// Thread safety: SendGrpcLogTo() is main()'s; GrpcLines is safe.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/process/clock.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"

namespace entropyd {

// Unsets the variables by which gRPC and TLS libraries write secrets: GRPC_TRACE and GRPC_VERBOSITY
// (traces hold payload), GRPC_STACKTRACE_MINLOGLEVEL, and SSLKEYLOGFILE (session keys; neither gRPC
// 1.51 nor OpenSSL 3.0 heeds it, a later one may). Returns the names of those that were set.
// REQUIRES: no other thread.
std::vector<std::string> ClearGrpcVariables();

// A line for the operator who set them and waits for what they ask for. Nothing if there are none.
void TellCleared(const std::vector<std::string>& names, Log* log);

// One line of gRPC's to one of ours.
class GrpcLines {
 public:
  // Both outlive it.
  GrpcLines(Log* log, const Clock* clock) : log_(log), clock_(clock) {}
  // gRPC's lines go nowhere from now on, if they came here.
  ~GrpcLines();

  // `place` is FILE:LINE.
  void Line(absl::string_view place, absl::string_view message);
  // Waits until the log's lines have left; for what ends the process.
  void Flush() { log_->Flush(); }

 private:
  // A handshake failed, the one that this thread has worked on last.
  void Refused(absl::string_view message);

  Log* const log_;
  const Clock* const clock_;
  LineLimit limit_;
};

// From here on, until `lines` ends; nullptr = nowhere, for a program whose own errors say the same.
// gRPC knows one function for the whole process, and its threads may outlive the server or the
// agent.
void SendGrpcLogTo(GrpcLines* lines);

}  // namespace entropyd
