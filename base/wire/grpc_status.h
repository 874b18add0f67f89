// absl::Status and grpc::Status carry the same codes.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace entropyd {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace entropyd
