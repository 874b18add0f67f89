// Turns absl::Status into grpc::Status and back. Both have the same codes; the message stays.
//
//   return ToGrpc(absl::NotFoundError("pool default: no class gold"));
//   absl::Status status = FromGrpc(stub->Get(&context, request, &response));
//
// Thread safety: functions without state.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace entropyd {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace entropyd
