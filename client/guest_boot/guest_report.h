// What a test guest said on its console; client/guest_boot/guest_init.c is the one who says it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace entropyd {

struct GuestReport {
  std::string accel;                    // kvm or tcg
  std::string kernel;                   // the guest's
  absl::optional<double> init_seconds;  // since boot, when its init began
  absl::optional<double> crng_seconds;  // since boot, when its kernel's generator was seeded
  double waited_seconds = 0;            // for that in vain
  uint64_t bytes = 0;                   // read from /dev/hwrng
  double seconds = 0;                   // that it took
  std::string sha256;                   // of those bytes, hex
  std::string error;                    // what the guest could not do
  bool done = false;                    // it came to its end

  double bytes_per_second() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
};

// Takes what is there so far: a console that is still being written gives a report that is not
// done. Lines of the kernel and unknown keys are skipped, malformed numbers read as absent.
GuestReport ParseGuestConsole(absl::string_view console);

// "65536 bytes, 312.4 kB/s, sha256 5f…" (kB = 1000 bytes).
std::string DescribeGuestRead(const GuestReport& report);
// "seeded 1.44 s after boot" or "> 25 s: still unseeded".
std::string DescribeGuestSeeding(const GuestReport& report);
// One JSON object.
std::string GuestReportJson(const GuestReport& report);

}  // namespace entropyd
