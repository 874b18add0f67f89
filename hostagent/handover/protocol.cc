#include "hostagent/handover/protocol.h"

#include "absl/strings/str_cat.h"

namespace entropyd {

std::string HandoverPath(const std::string& control_socket) {
  return absl::StrCat(control_socket, ".handover");
}

absl::Status UnexpectedMessage(const handover::v1::Message& message, absl::string_view expected) {
  if (message.has_refusal()) {
    const std::string& reason = message.refusal().reason();
    return absl::FailedPreconditionError(reason.empty() ? "the other side gives no reason"
                                                        : reason);
  }
  return absl::DataLossError(absl::StrCat("hand over: expected ", expected));
}

}  // namespace entropyd
