// How many bytes a channel may send, has sent, and knows to have arrived. All numbers count from
// the start of the stream:
//
//   open = limit - sent     unconfirmed = sent - received     received <= sent <= limit
//
//   ChannelCredit credit(number, &session_deliveries);
//   absl::Status status = credit.Take(line, max_credit);
//   credit.Send(bytes);                              // at most open()
//   status = credit.Acknowledge(line, max_credit);   // of a channel that is closed
//
// It never allows more than the peer's limit. A limit cannot be lowered later: such a line is
// refused, and so is an acknowledgement of bytes that were not sent.
//
// Errors: INVALID_ARGUMENT for a line that breaks the rules, OUT_OF_RANGE for more credit than a
// peer may give. Such a line changes nothing.
//
// Thread safety: none; belongs to the dispatcher's owner.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "proto/entropy.pb.h"
#include "server/attach/deliveries.h"

namespace entropyd {

class ChannelCredit {
 public:
  // `number` is the channel's, for messages. What is sent and acknowledged counts in `sum`, too,
  // which outlives it.
  ChannelCredit(uint32_t number, Deliveries* sum) : number_(number), delivered_(sum) {}

  // What the peer has received, and how much more it can take. REQUIRES: the line is of this
  // channel.
  absl::Status Take(const v1::Line& line, uint64_t max_credit);
  // The channel is closed: what was received counts, the limit stays. The line crossed the CLOSED
  // message on the wire.
  absl::Status Acknowledge(const v1::Line& line, uint64_t max_credit);
  // This many bytes are on their way. REQUIRES: at most open().
  void Send(uint64_t bytes) { delivered_.Send(bytes); }

  uint64_t limit() const { return limit_; }
  uint64_t sent() const { return delivered_.sent(); }
  uint64_t received() const { return delivered_.received(); }
  uint64_t unconfirmed() const { return delivered_.unconfirmed(); }
  uint64_t open() const { return limit_ - sent(); }

 private:
  // Whether the line may follow what was said and sent so far.
  absl::Status Check(const v1::Line& line, uint64_t max_credit) const;

  const uint32_t number_;
  uint64_t limit_ = 0;
  Deliveries::Count delivered_;
};

}  // namespace entropyd
