// Makes one unary call and waits for the answer.
//
//   return BlockingCall(stub, &v1::Admin::Stub::ListPools, v1::ListPoolsRequest(), timeout,
//                       "list pools", " of host:7743", tell_slow, "host:7743", "host:7743");
//
// Only the .cc files of the blocking clients include it, because it includes gRPC.
//
// Thread safety: a function without state; stubs of gRPC are safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/wire/grpc_status.h"
#include "client/call_error.h"
#include "client/failed_step.h"
#include "client/slow_call.h"
#include "grpcpp/client_context.h"

namespace entropyd {

// Errors: those of the server, with `verb` and `whom` before the message (client/call_error.h);
// DEADLINE_EXCEEDED after `timeout`; UNAVAILABLE when nobody answers. Both say which step failed if
// `server` is HOST:PORT (client/failed_step.h). `tell` hears when `slow_whom` takes long.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> BlockingCall(
    Stub* stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, absl::Duration timeout, absl::string_view verb, absl::string_view whom,
    const SlowCall::Tell& tell, const std::string& slow_whom, const std::string& server = "") {
  grpc::ClientContext context;
  const absl::Time began = absl::Now();
  context.set_deadline(absl::ToChronoTime(began + timeout));
  Response response;
  const SlowCall slow(tell, slow_whom, timeout);
  absl::Status status =
      WithPatience(FromGrpcWithMark((stub->*method)(&context, request, &response)), timeout);
  status = WithWait(status, absl::Now() - began);
  if (!server.empty()) status = TellStep(status, server, context.peer());
  if (!status.ok()) return CallError(verb, whom, status);
  return response;
}

}  // namespace entropyd
