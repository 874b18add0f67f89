#include "base/wire/grpc_status.h"

#include <string>

#include "base/wire/answer_mark.h"
#include "base/wire/refused_handshake.h"
#include "proto/answer.pb.h"

namespace entropyd {
namespace {

std::string MarkedDetails(const absl::Status& status) {
  v1::DetailedStatus details;
  details.set_code(status.raw_code());
  details.set_message(std::string(status.message()));
  details.add_details()->PackFrom(v1::Answer());
  return details.SerializeAsString();
}

bool IsMarked(const std::string& details) {
  v1::DetailedStatus status;
  if (details.empty() || !status.ParseFromString(details)) return false;
  for (const google::protobuf::Any& one : status.details()) {
    if (one.Is<v1::Answer>()) return true;
  }
  return false;
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message()), MarkedDetails(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return WithRefusal(
      absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message()));
}

absl::Status FromGrpcWithMark(const grpc::Status& status) {
  absl::Status result = FromGrpc(status);
  if (!status.ok() && IsMarked(status.error_details())) MarkAnswer(&result);
  return result;
}

}  // namespace entropyd
