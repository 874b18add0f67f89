// What a source is: the root of its hardware, its nature, and the claims. The server decides it
// once, from the device, and gives it to the driver and the pool.
//
//   const SourceIdentity identity = entry->identify(config);
//   auto driver = entry->create(config, identity);
//
// Two sources with one root count once, whatever their names, paths and groups. Examples: a device
// under two nodes or links; a TPM by hwrng and by its own driver; a daemon by two spellings of its
// address. A path may lead to another device while the server runs. So drivers also name the root
// of what they have opened (SourceDriver::root()).
//
// Code compares and shows a root, and never parses it: "device 10:183", "TPM 0", "this processor".
//
// Errors: none. Of a path without a file the path itself is the root.
//
// Thread safety: values and pure functions; those about paths ask the file system.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/process/nanos.h"

namespace entropyd {

// What a driver says of its device before any operator does. Rates of entropy are claims: the
// server believes them, tests them by SP 800-90B health tests, and never measures them.
struct SourceClaims {
  // Sources that may rest on one root share a group and count once.
  std::string group;
  // The min-entropy credited, in bits per byte; 0 = mixed in, never counted.
  double min_entropy = 0;
  // The min-entropy that the cutoffs of the health tests assume, in bits per byte; at least
  // min_entropy.
  double health_min_entropy = 0;
  // The bytes of one native sample: 1, 4 or 8. Some faults show only in whole words.
  int word_bytes = 1;
  // The source reads no faster than this, in bytes/s. It is what a pool can use, not what the
  // device could give.
  uint64_t max_rate = 0;
  // The largest useful Read(), in bytes.
  size_t read_bytes = 64;
  // How long the device may give nothing before it counts as gone. The slowest device in use
  // without pauses (virtio_rng limited to 10 kB/s) needs 7 ms for 64 bytes.
  int64_t silence_nanos = 2 * kSecondNanos;
  bool operator==(const SourceClaims&) const = default;
};

struct SourceIdentity {
  enum class Nature {
    // The source is a noise source of this machine.
    kHardware,
    // The host or another machine gives the bytes. Nobody here knows what they are worth.
    kBorrowed,
    // No hardware is behind it. The server refuses it unless allow_software is set.
    kSoftware,
  };

  // What the source draws from, when that is known for sure. Empty = a root of its own.
  std::string root;
  Nature nature = Nature::kHardware;
  SourceClaims claims;
  // False: no device is there at the moment that could say what it is, and the claims are careful.
  // A source that runs and whose configuration is the same keeps its claims then.
  bool known = true;

  bool software() const { return nature == Nature::kSoftware; }
};

// All that the processor gives: RDRAND, RDSEED, jitter.
inline constexpr char kRootCpu[] = "this processor";
// The kernel's generator, and the software that draws from nothing else.
inline constexpr char kRootKernel[] = "this host's kernel";

std::string RootOfTpm(absl::string_view number);
// The number of the TPM that a node of this name belongs to; "" = it is no TPM's node. /dev/tpm0
// and /dev/tpmrm0 are one chip.
absl::string_view TpmNumber(absl::string_view node);
// The root of a file: a node of a TPM is that TPM, another character device is known by its
// numbers, anything else by file system and inode.
std::string RootOfFile(const struct stat& file);
// The root of the file at the end of all links; of the path itself when no file is there.
std::string RootOfPath(const std::string& path);
// The root of HOST:PORT, whatever its spelling. All ways to say "this machine" give one root. It
// asks no name service. A text that is no HOST:PORT stays as it is; the drivers refuse it.
std::string RootOfAddress(absl::string_view address);

// Whether a device is /dev/hwrng, whatever its node is called.
bool IsHwrng(const struct stat& file);
// `generator` is the kernel's name for the generator behind it. The generator of a TPM has that
// TPM's root. AMD's cryptographic co-processor (ccp-1-rng) is what RDRAND and RDSEED of its
// processors draw from (AMD Secure Random Number Generator Library, white paper).
std::string RootOfHwrng(absl::string_view generator);

// Which sources count together. The result gives for each index the first source that has the same
// group or the same root, or that others link to it.
struct Kin {
  absl::string_view group;
  absl::string_view root;
};
std::vector<size_t> CountTogether(const std::vector<Kin>& all);

}  // namespace entropyd
