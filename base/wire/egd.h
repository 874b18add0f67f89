// The EGD protocol: five commands, no framing, replies in the order of the commands.
//
//   0x00            -> 4 bytes, big endian: available entropy in bits
//   0x01 NN         -> MM, MM bytes (MM <= NN): read what is there now
//   0x02 NN         -> exactly NN bytes, no length byte: read, waiting
//   0x03 HH LL NN + NN bytes -> nothing: write, HHLL bits claimed
//   0x04            -> NN, NN bytes: the daemon's pid in decimal
//
//   egd::Decoder decoder;
//   egd::Command command;
//   while (decoder.Next(&input, &command) == egd::DecodeResult::kCommand) Answer(command);
//
// The decoder keeps a few integers between calls, so a command may arrive split at any byte. It
// skips the data of 0x03 in place and never stores it.
//
// Errors: DecodeResult::kUnknown; the connection cannot go on.
//
// Thread safety: a decoder belongs to one connection and one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace entropyd::egd {

enum class CommandType : uint8_t {
  kGetEntropyBits = 0x00,
  kReadNonBlocking = 0x01,
  kReadBlocking = 0x02,
  kWrite = 0x03,
  kGetPid = 0x04,
};
inline constexpr size_t kCommandTypes = 5;

// One decoded command.
struct Command {
  CommandType type = CommandType::kGetEntropyBits;
  uint8_t bytes = 0;          // NN of 0x01, 0x02, 0x03
  uint16_t claimed_bits = 0;  // 0x03

  friend bool operator==(const Command&, const Command&) = default;
};

enum class DecodeResult {
  kCommand,   // *command is set; call again with the rest of the input
  kNeedMore,  // all input was consumed; the last command may be incomplete
  kUnknown,   // an unknown command byte: nobody knows where the next begins; close the connection
};

class Decoder {
 public:
  // Consumes from the front of *input. After kUnknown the unknown byte is at input->front().
  // Reports a kWrite as soon as its header is complete; the next calls skip its data.
  DecodeResult Next(absl::Span<const uint8_t>* input, Command* command);

  // True when a command has begun and is not complete. If the peer is gone, it left in the middle.
  bool mid_command() const { return have_ > 0 || skip_ > 0; }

  // The incomplete command as plain numbers, for a handover; never the data of 0x03. At most one of
  // `have` and `skip` is above 0. Restore() makes a new decoder when Save() cannot have returned
  // `state`.
  struct State {
    uint8_t header[4] = {};
    uint8_t have = 0;
    uint8_t skip = 0;
  };
  State Save() const;
  static Decoder Restore(const State& state);

 private:
  uint8_t header_[4] = {};
  uint8_t have_ = 0;  // bytes of header_ filled
  uint8_t skip_ = 0;  // bytes of 0x03 data still to come
};

// The 4-byte reply to 0x00; at most 2^32 - 1 bits.
void EncodeEntropyBits(uint64_t bits, uint8_t out[4]);
// The whole reply to 0x04.
std::string EncodePid(int64_t pid);

}  // namespace entropyd::egd
