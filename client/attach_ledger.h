// The arithmetic of one Attach stream (proto/README.md): sequence numbers, stream offsets, credit.
// No I/O. It refuses whatever a correct server would not send.
//
//   AttachLedger ledger;
//   uint32_t channel = ledger.Open().value();
//   RETURN_IF_ERROR(ledger.Accept(message));        // Welcome, states, grants
//   if (ledger.Promise(channel, room)) credit->add_line()->CopyFrom(ledger.TakeLine(channel,
//   guests));
//
// Thread safety: none; belongs to the stream's owner.
#pragma once

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/wire/attach_wire.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// The version of Attach that this client speaks (Hello.version_min and version_max).
inline constexpr uint32_t kAttachVersion = 1;
// Channels of one stream, over its whole life (Open.channel is 1..64 and never reused).
inline constexpr uint32_t kMaxChannels = 64;

class AttachLedger {
 public:
  struct Channel {
    uint64_t received = 0;  // bytes stored so far on this stream
    uint64_t limit = 0;     // what the server may send up to
    uint64_t acked = 0;     // the last `received` told to the server
    uint64_t limit_told = 0;
    bool closed = false;
    // Bytes that may still come. A closed channel's promise is void.
    uint64_t promised() const { return closed ? 0 : limit - received; }
  };

  // The next unused number, 1..64. Errors: RESOURCE_EXHAUSTED after 64.
  absl::StatusOr<uint32_t> Open();
  Channel* Find(uint32_t channel);  // nullptr = never opened
  const Channel* Find(uint32_t channel) const;

  // Checks seq, then Welcome, then the states (CLOSED closes the channel; a second CLOSED is let
  // pass, because our Close and the server's own CLOSED may cross), then every grant against its
  // channel's offset and limit, and advances `received`.
  // Errors: DATA_LOSS (gap or repeat), OUT_OF_RANGE (beyond the credit or max_payload),
  // INVALID_ARGUMENT (unknown or closed channel, no or a wrong Welcome). Nothing of a refused
  // message may be used, and the ledger is of no further use: end the stream.
  absl::Status Accept(const ServerMessageView& message);

  // Raises the limit so that `promised()` becomes `bytes`, capped by the server's max_credit; never
  // lowers it. Returns whether it changed. Before the Welcome the cap is 0.
  bool Promise(uint32_t channel, uint64_t bytes);
  // The Credit line of a channel, and marks it told.
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
