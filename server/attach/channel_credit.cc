#include "server/attach/channel_credit.h"

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::Status ChannelCredit::Check(const v1::Line& line, uint64_t max_credit) const {
  if (line.received() < received() || line.limit() < limit_) {
    return absl::InvalidArgumentError(
        absl::StrCat("refuse credit: channel ", number_, " goes back to limit ", line.limit(),
                     ", received ", line.received(), " from ", limit_, ", ", received()));
  }
  if (line.received() > sent()) {
    return absl::InvalidArgumentError(absl::StrCat("refuse credit: channel ", number_, " received ",
                                                   line.received(), " bytes of ", sent(), " sent"));
  }
  // Not below 0: received <= sent <= limit_ <= limit.
  if (line.limit() - line.received() > max_credit) {
    return absl::OutOfRangeError(absl::StrCat("refuse credit: channel ", number_,
                                              " promises room for ", line.limit() - line.received(),
                                              " bytes, max_credit is ", max_credit));
  }
  return absl::OkStatus();
}

absl::Status ChannelCredit::Take(const v1::Line& line, uint64_t max_credit) {
  absl::Status acknowledged = Acknowledge(line, max_credit);
  if (acknowledged.ok()) limit_ = line.limit();
  return acknowledged;
}

absl::Status ChannelCredit::Acknowledge(const v1::Line& line, uint64_t max_credit) {
  if (absl::Status status = Check(line, max_credit); !status.ok()) return status;
  delivered_.Acknowledge(line.received() - received());
  return absl::OkStatus();
}

}  // namespace entropyd
