#include "base/wire/egd.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace entropyd::egd {
namespace {

// How long a command is, without the data of 0x03; 0 = there is no such command.
constexpr uint8_t HeaderBytes(uint8_t type) {
  switch (static_cast<CommandType>(type)) {
    case CommandType::kGetEntropyBits:
    case CommandType::kGetPid:
      return 1;
    case CommandType::kReadNonBlocking:
    case CommandType::kReadBlocking:
      return 2;
    case CommandType::kWrite:
      return 4;
  }
  return 0;
}

Command FromHeader(const uint8_t header[4]) {
  Command command;
  command.type = static_cast<CommandType>(header[0]);
  switch (command.type) {
    case CommandType::kReadNonBlocking:
    case CommandType::kReadBlocking:
      command.bytes = header[1];
      break;
    case CommandType::kWrite:
      command.claimed_bits = static_cast<uint16_t>(header[1] << 8 | header[2]);
      command.bytes = header[3];
      break;
    case CommandType::kGetEntropyBits:
    case CommandType::kGetPid:
      break;
  }
  return command;
}

}  // namespace

DecodeResult Decoder::Next(absl::Span<const uint8_t>* input, Command* command) {
  const size_t skipped = std::min<size_t>(skip_, input->size());
  input->remove_prefix(skipped);
  skip_ = static_cast<uint8_t>(skip_ - skipped);

  while (!input->empty()) {
    if (have_ == 0 && HeaderBytes(input->front()) == 0) return DecodeResult::kUnknown;
    header_[have_++] = input->front();
    input->remove_prefix(1);
    if (have_ < HeaderBytes(header_[0])) continue;
    have_ = 0;
    *command = FromHeader(header_);
    if (command->type == CommandType::kWrite) skip_ = command->bytes;
    return DecodeResult::kCommand;
  }
  return DecodeResult::kNeedMore;
}

Decoder::State Decoder::Save() const {
  State state;
  std::memcpy(state.header, header_, have_);
  state.have = have_;
  state.skip = skip_;
  return state;
}

Decoder Decoder::Restore(const State& state) {
  Decoder decoder;
  const bool half_header = state.have > 0;
  if (half_header && (state.skip > 0 || state.have >= HeaderBytes(state.header[0]))) return decoder;
  std::memcpy(decoder.header_, state.header, state.have);
  decoder.have_ = state.have;
  decoder.skip_ = state.skip;
  return decoder;
}

void EncodeEntropyBits(uint64_t bits, uint8_t out[4]) {
  const auto value =
      static_cast<uint32_t>(std::min<uint64_t>(bits, std::numeric_limits<uint32_t>::max()));
  for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

std::string EncodePid(int64_t pid) {
  const std::string digits = std::to_string(pid);  // at most 20 characters: fits the length byte
  return static_cast<char>(digits.size()) + digits;
}

}  // namespace entropyd::egd
