// Counts for one Attach stream (proto/README.md): sequence numbers, stream offsets, credit. It does
// no I/O, and refuses everything that a correct server would not send.
//
//   AttachLedger ledger;
//   uint32_t channel = ledger.Open().value();
//   if (absl::Status status = ledger.Accept(message); !status.ok()) End(status);
//   if (ledger.Promise(channel, room)) *credit->add_line() = ledger.TakeLine(channel, guests);
//
// Thread safety: none; belongs to the stream's owner.
#pragma once

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/wire/attach_limits.h"
#include "base/wire/attach_wire.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class AttachLedger {
 public:
  struct Channel {
    uint64_t received = 0;    // bytes stored so far on this stream
    uint64_t limit = 0;       // the stream offset up to which the server may send
    uint64_t acked = 0;       // the last `received` that the server was told
    uint64_t limit_told = 0;  // the last `limit` that the server was told
    bool closed = false;
    // Bytes that may still come. A closed channel promises nothing.
    uint64_t promised() const { return closed ? 0 : limit - received; }
  };

  // The next unused number, 1..64. Errors: RESOURCE_EXHAUSTED after 64.
  absl::StatusOr<uint32_t> Open();
  Channel* Find(uint32_t channel);  // nullptr = never opened
  const Channel* Find(uint32_t channel) const;

  // Checks seq, then Welcome, then the states. CLOSED closes the channel; a second CLOSED is
  // allowed, because our Close and the server's own CLOSED may cross. Then it checks every grant
  // against the offset and limit of its channel, and advances `received`.
  // Errors: DATA_LOSS (gap or repeat), OUT_OF_RANGE (beyond the credit or max_payload),
  // INVALID_ARGUMENT (unknown or closed channel, no Welcome or a wrong one). After an error use
  // nothing of the message and end the stream.
  absl::Status Accept(const ServerMessageView& message);

  // Raises the limit so that `promised()` becomes `bytes`, at most max_credit of the server; never
  // lowers it. Returns whether it changed. Before the Welcome max_credit counts as 0.
  bool Promise(uint32_t channel, uint64_t bytes);
  // Returns the Credit line of a channel, and counts it as told.
  v1::Line TakeLine(uint32_t channel, uint32_t guests);

  bool welcomed() const { return welcomed_; }
  const v1::Welcome& welcome() const { return welcome_; }

 private:
  absl::Status AcceptWelcome(const ServerMessageView& message);
  absl::Status AcceptState(const v1::ChannelState& state);
  absl::Status AcceptGrant(const GrantView& grant);

  std::map<uint32_t, Channel> channels_;
  uint32_t next_channel_ = 1;
  uint64_t next_seq_ = 1;
  bool welcomed_ = false;
  v1::Welcome welcome_;
};

}  // namespace entropyd
