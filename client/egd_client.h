// Reads bytes from an EGD socket as fast as it can: it sends many read commands (0x02) ahead and
// counts the replies.
//
//   auto draw = DrawFromEgd("/run/entropyd/egd.sock", 65536, absl::Seconds(5));
//   if (draw.ok()) std::cout << FormatRate(draw->bytes_per_second());
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

// Asks for exactly `bytes`, and wipes them.
// Errors: NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE (the socket), DEADLINE_EXCEEDED (no byte came
// for `patience`), DATA_LOSS (the socket closed early, or sent more than was asked for).
absl::StatusOr<EgdDraw> DrawFromEgd(const std::string& socket, uint64_t bytes,
                                    absl::Duration patience);

}  // namespace entropyd
