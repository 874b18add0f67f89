// What a source is: the root of its hardware, its nature, and what is claimed of it. Decided once,
// from the device, and handed to driver and pool.
//
//   const SourceIdentity identity = entry->identify(config);
//   auto driver = entry->create(config, identity);
//
// Two sources with one root count once, whatever their names, paths and groups: a device under two
// nodes or links, a TPM by hwrng and by its own driver, a daemon by two spellings of its address.
// A path may lead elsewhere while we run, so drivers name the root of what they have opened, too
// (SourceDriver::root()).
//
// A root is compared and shown, never parsed: "device 10:183", "TPM 0", "this processor".
//
// Thread safety: values and pure functions; those about paths ask the file system.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd {

// What a driver says of its device before any operator does. Rates of entropy are claims: they are
// believed, tested by SP 800-90B health tests and never measured.
struct SourceClaims {
  // Sources that may rest on one root share a group and count once.
  std::string group;
  // Min-entropy credited, bits per byte; 0 = mixed in, never counted.
  double min_entropy = 0;
  // Min-entropy that the health tests' cutoffs assume, bits per byte; at least min_entropy.
  double health_min_entropy = 0;
  // Bytes of one native sample: a fault may show in whole words only. 1, 4 or 8.
  int word_bytes = 1;
  // Read no faster than this, bytes/s: what a pool can use, not what the device could give.
  uint64_t max_rate = 0;
  // Largest useful Read(), bytes.
  size_t read_bytes = 64;
};

struct SourceIdentity {
  enum class Nature {
    // A noise source of this machine.
    kHardware,
    // What this host or another machine gives; nobody here knows what it is worth.
    kBorrowed,
    // No hardware behind it: refused unless allow_software.
    kSoftware,
  };

  // What the source draws from, as far as that is known for sure. Empty = a root of its own.
  std::string root;
  Nature nature = Nature::kHardware;
  SourceClaims claims;

  bool software() const { return nature == Nature::kSoftware; }
};

// All that the processor gives: RDRAND, RDSEED, jitter.
inline constexpr char kRootCpu[] = "this processor";
// The kernel's generator, and the software that draws from nothing else.
inline constexpr char kRootKernel[] = "this host's kernel";

std::string RootOfTpm(absl::string_view number);
// A character device by its numbers, anything else by file system and inode.
std::string RootOfFile(const struct stat& file);
// Of what stands at the end of all links; of the path itself when nothing is there.
std::string RootOfPath(const std::string& path);
// HOST:PORT without regard to spelling; every way to say "this machine" is one. Asks no name
// service.
std::string RootOfAddress(absl::string_view address);

// Whether a device is /dev/hwrng, whatever its node is called.
bool IsHwrng(const struct stat& file);
// `generator`: what the kernel calls the one behind it; one of a TPM has that TPM's root.
std::string RootOfHwrng(absl::string_view generator);

// Who counts together with whom: by index, the first one that has the same group or the same root,
// or is linked to it by others that do.
struct Kin {
  absl::string_view group;
  absl::string_view root;
};
std::vector<size_t> CountTogether(const std::vector<Kin>& all);

}  // namespace entropyd
