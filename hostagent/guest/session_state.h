// All that an EgdSession is, as a value: what a handover carries of it. No entropy is in it.
//
//   SessionState state = …;
//   OweUnsent(unsent, now, &state);          // what the socket did not take is owed again
//   SaveSession(state, now, &message);
//   absl::StatusOr<SessionState> same = RestoreSession(message, now);
//
// Errors: of RestoreSession.
//
// Thread safety: values and functions without state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/process/page_allocator.h"
#include "base/wire/egd.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

struct SessionState {
  // Like commands whose replies are owed.
  struct Run {
    // When the oldest of its commands arrived.
    int64_t since_nanos;
    // kReadBlocking: still owed, all commands together.
    uint64_t bytes;
    // Commands not yet answered; kReadBlocking: since the run began.
    uint32_t count;
    egd::CommandType type;
    // kReadNonBlocking: the NN they have in common.
    uint8_t each;
  };

  // A guest may make them many, and then give them all up.
  using Runs = std::vector<Run, PageAllocator<Run>>;

  // The first bytes of a command whose rest has not come.
  egd::Decoder::State half;
  // A command, or a part of one, has come.
  bool started = false;
  // The rest of a reply without entropy; goes before all else.
  std::string literal;
  // In the order of the commands.
  Runs runs;
  // By command byte.
  std::array<uint64_t, egd::kCommandTypes> commands{};
  // Bytes of entropy that it got, ever.
  uint64_t taken = 0;
};

// A reply that was staged, or consecutive replies to 0x02.
struct StagedReply {
  egd::CommandType type;
  uint32_t bytes;
};
// Staged replies that did not leave.
struct Unsent {
  // A part of the first may have left.
  absl::Span<const StagedReply> replies;
  uint32_t sent_of_first = 0;
  // What is left of them; secret.
  absl::Span<const uint8_t> bytes;
};

// Puts before the runs of `state` what the peer misses of `unsent`, as commands that came `now`. A
// reply of which nothing left becomes its command again; a 0x01 for as many bytes as it was to get.
// If a part of a reply left, the rest is owed as a number. The rest of a reply without entropy
// becomes the literal.
void OweUnsent(const Unsent& unsent, int64_t now_nanos, SessionState* state);

// Writes ages, not times, because the next process has another clock.
void SaveSession(const SessionState& state, int64_t now_nanos, handover::v1::Session* saved);
// Errors: INVALID_ARGUMENT when the saved state is impossible.
absl::StatusOr<SessionState> RestoreSession(const handover::v1::Session& saved, int64_t now_nanos);

}  // namespace entropyd
