// Turns absl::Status into grpc::Status and back. Both have the same codes; the message stays.
//
//   return ToGrpc(absl::NotFoundError("pool default: no class gold"));
//   absl::Status status = FromGrpc(stub->Get(&context, request, &response));
//
// An error that a program of ours makes carries a mark (proto/answer.proto), so that a client tells
// it from one that gRPC made on the way. Servers up to 0.1.0 mark nothing.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace entropyd {

// Marks an error as an answer.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);
// The same, and IsAnswer() of the result tells whether the error was marked. KeepAnswer() keeps
// this mark when another error is made from it.
absl::Status FromGrpcWithMark(const grpc::Status& status);

}  // namespace entropyd
