// Reads what a test guest printed on its console (client/guest_boot/guest_init.c prints it).
//
//   GuestReport report = ParseGuestConsole(console);
//   if (report.done && report.error.empty()) std::cout << DescribeGuestRead(report);
//
// Errors: none; `error` says what the guest could not do.
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace entropyd {

struct GuestReport {
  std::string accel;                    // kvm or tcg
  std::string kernel;                   // version of the guest's
  absl::optional<double> init_seconds;  // since boot, when its init began
  absl::optional<double> crng_seconds;  // since boot, when its kernel's generator was seeded
  double waited_seconds = 0;            // how long it waited for that without success
  uint64_t bytes = 0;                   // read from /dev/hwrng
  double seconds = 0;                   // how long reading them took
  std::string sha256;                   // of those bytes, hex
  std::string error;                    // what the guest could not do
  bool done = false;                    // the guest reached its end

  double bytes_per_second() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
};

// Reads what is there so far: while the guest still runs, the report is not done. Skips lines of
// the kernel and unknown keys. A malformed number counts as absent.
GuestReport ParseGuestConsole(absl::string_view console);

// "65536 bytes, 312.4 kB/s, sha256 5f…" (kB = 1000 bytes).
std::string DescribeGuestRead(const GuestReport& report);
// "seeded 1.44 s after boot" or "> 25 s: still unseeded".
std::string DescribeGuestSeeding(const GuestReport& report);
// One JSON object.
std::string GuestReportJson(const GuestReport& report);

}  // namespace entropyd
