// Draws bytes from an EGD socket as a client does that is in a hurry: read commands (0x02)
// pipelined, replies counted.
//
// Thread safety: a function without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace entropyd {

struct EgdDraw {
  uint64_t bytes = 0;
  double seconds = 0;  // from the first command to the last byte

  double bytes_per_second() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
};

// Asks for exactly `bytes` and wipes what comes.
// Errors: NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE (the socket), DEADLINE_EXCEEDED (no byte came
// for `patience`), DATA_LOSS (closed early, or more bytes than were asked for).
absl::StatusOr<EgdDraw> DrawFromEgd(const std::string& socket, uint64_t bytes,
                                    absl::Duration patience);

}  // namespace entropyd
