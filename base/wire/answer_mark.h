// Tells errors that a program of ours has answered (base/wire/grpc_status.h) from errors that gRPC
// made itself, about a connection.
//
//   absl::Status other = KeepAnswer(status, absl::NotFoundError(…));
//   if (IsAnswer(other)) …
//
// Errors: none.
//
// Thread safety: functions of their arguments.
#pragma once

#include "absl/status/status.h"

namespace entropyd {

// REQUIRES: an error.
void MarkAnswer(absl::Status* status);
bool IsAnswer(const absl::Status& status);
// `other` with the mark that `status` has, or has not.
absl::Status KeepAnswer(const absl::Status& status, absl::Status other);

}  // namespace entropyd
