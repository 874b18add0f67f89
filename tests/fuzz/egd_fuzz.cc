// One input = what one EGD client sends on one connection. See README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/wire/egd.h"
#include "tests/fuzz/check.h"

namespace entropyd::egd {
namespace {

struct Conversation {
  std::vector<Command> commands;
  bool unknown = false;      // ended by an unknown command byte
  size_t consumed = 0;       // bytes before it, or all
  bool mid_command = false;  // the last command is not complete

  friend bool operator==(const Conversation&, const Conversation&) = default;
};

// A second implementation of the protocol, for whole input.
Conversation Expected(absl::Span<const uint8_t> in) {
  Conversation c;
  size_t at = 0;
  while (at < in.size()) {
    const uint8_t type = in[at];
    if (type > 4) {
      c.unknown = true;
      c.consumed = at;
      return c;
    }
    const size_t header = type == 3 ? 4 : type == 1 || type == 2 ? 2 : 1;
    if (in.size() - at < header) {
      c.mid_command = true;
      break;
    }
    Command command;
    command.type = static_cast<CommandType>(type);
    if (header > 1) command.bytes = in[at + header - 1];
    if (type == 3) command.claimed_bits = static_cast<uint16_t>(in[at + 1] * 256 + in[at + 2]);
    c.commands.push_back(command);
    at += header + (type == 3 ? command.bytes : 0);
    c.mid_command = at > in.size();
  }
  c.consumed = in.size();
  return c;
}

void Feed(Decoder* decoder, absl::Span<const uint8_t> piece, Conversation* c) {
  while (!c->unknown) {
    Command command;
    const size_t before = piece.size();
    const DecodeResult result = decoder->Next(&piece, &command);
    c->consumed += before - piece.size();
    switch (result) {
      case DecodeResult::kCommand:
        c->commands.push_back(command);
        break;
      case DecodeResult::kNeedMore:
        FUZZ_CHECK(piece.empty());
        c->mid_command = decoder->mid_command();
        return;
      case DecodeResult::kUnknown:
        FUZZ_CHECK(!piece.empty() && piece.front() > 4);
        FUZZ_CHECK(!decoder->mid_command());
        c->unknown = true;
        c->mid_command = false;
        break;
    }
  }
}

// The same, but a handover saves and restores the decoder after each piece.
void FeedAndHandOver(Decoder* decoder, absl::Span<const uint8_t> piece, Conversation* c) {
  Feed(decoder, piece, c);
  if (!c->unknown) *decoder = Decoder::Restore(decoder->Save());
}

}  // namespace

void CheckOneConnection(absl::Span<const uint8_t> in) {
  const Conversation expected = Expected(in);

  // Every split in two, up to a size that bounds the quadratic work; then fewer.
  const size_t step = std::max<size_t>(1, in.size() / 512);
  for (size_t split = 0; split <= in.size(); split += step) {
    Decoder decoder;
    Conversation c;
    FeedAndHandOver(&decoder, in.subspan(0, split), &c);
    FeedAndHandOver(&decoder, in.subspan(split), &c);
    FUZZ_CHECK(c == expected);
  }

  Decoder decoder;
  Conversation c;
  for (size_t i = 0; i < in.size(); ++i) FeedAndHandOver(&decoder, in.subspan(i, 1), &c);
  FUZZ_CHECK(c == expected);
}

// Takes any six bytes as the state of a handover. A state that Save() can return continues where it
// stopped; any other starts anew.
void CheckRestore(absl::Span<const uint8_t> in) {
  constexpr size_t kHeader = 4;
  if (in.size() < kHeader + 2) return;
  Decoder::State state;
  std::copy_n(in.begin(), kHeader, state.header);
  state.have = in[kHeader];
  state.skip = in[kHeader + 1];

  // What comes next, and the whole input that would end with it.
  const absl::Span<const uint8_t> rest = in.subspan(kHeader + 2);
  std::vector<uint8_t> whole;
  if (state.have == 0 && state.skip > 0) {
    whole = {0x03, 0, 0, state.skip};
  } else if (state.skip == 0 && state.have <= kHeader) {
    whole.assign(state.header, state.header + state.have);
    const Conversation half = Expected(whole);
    if (!half.mid_command || !half.commands.empty()) whole.clear();
  }
  const size_t before = whole.size();
  whole.insert(whole.end(), rest.begin(), rest.end());
  Conversation expected = Expected(whole);
  expected.consumed -= before;
  if (state.have == 0 && state.skip > 0) expected.commands.erase(expected.commands.begin());

  Decoder decoder = Decoder::Restore(state);
  Conversation c;
  Feed(&decoder, rest, &c);
  FUZZ_CHECK(c == expected);
}

}  // namespace entropyd::egd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  entropyd::egd::CheckOneConnection({data, size});
  entropyd::egd::CheckRestore({data, size});
  return 0;
}
