// Driver `char_device`: a device file or FIFO that gives random bytes, e.g. /dev/hwrng, a serial or
// USB generator. Reads never block: a poll(2) of /dev/hwrng always says ready and a blocking read
// of it may take seconds, so it is opened O_NONBLOCK and asked for little at a time.
//
// /dev/hwrng: the kernel names the generator in /sys/class/misc/hw_random/rng_current. A virtio_rng
// there (or none yet) is fed by this machine's host: group `host`, 1 bit/byte. Any other is taken
// for hardware: group = its path, 4 bit/byte.
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
  static SourceClaims Claims(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config);

  // `rng_current`: the file that names the generator behind `path`; empty = none does.
  CharDeviceDriver(std::string path, std::string rng_current);

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  void Close() override { fd_.reset(); }

  // Claims for a device whose generator is called `generator` ("" = unknown or none).
  static SourceClaims ClaimsFor(const std::string& path, bool is_hwrng,
                                const std::string& generator, uint64_t max_rate);

 private:
  const std::string path_;
  const std::string rng_current_;
  const bool claimed_hardware_;  // the generator that the claims were made for
  UniqueFd fd_;
};

}  // namespace entropyd
