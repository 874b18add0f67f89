// Driver `char_device`: a device file or FIFO that gives random bytes, e.g. /dev/hwrng, a serial or
// USB generator. Reads never block: a poll(2) of /dev/hwrng always says ready and a blocking read
// of it may take seconds, so it is opened O_NONBLOCK and asked for little at a time.
//
// /dev/hwrng: the kernel names the generator in /sys/class/misc/hw_random/rng_current. A virtio_rng
// there (or none yet) is fed by this machine's host: group `host`, 1 bit/byte. Any other is taken
// for hardware: group = its path, 4 bit/byte. The device is known by its numbers (10:183), not by
// its name, so links and other nodes of it are the same; and it is looked at again at every Open().
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>

#include "base/process/fd.h"
#include "server/driver/registry.h"

namespace entropyd {

class CharDeviceDriver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // `rng_current`: the file that names the generator behind `path`; empty = the kernel's, and only
  // for a device with the numbers of hwrng. `hardware`: what was claimed; Open() refuses less.
  CharDeviceDriver(std::string path, std::string rng_current, bool hardware);

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override { fd_.reset(); }

  // Of a device whose generator is called `generator` ("" = unknown or none).
  static SourceIdentity IdentityFor(const std::string& path, bool is_hwrng,
                                    const std::string& generator, uint64_t max_rate);

 private:
  const std::string path_;
  const std::string rng_current_;
  // The generator that the claims were made for.
  const bool hardware_;
  UniqueFd fd_;
  // Of what was opened last.
  std::string root_;
};

}  // namespace entropyd
