// Driver `char_device`: a device file or FIFO that gives random bytes, for example /dev/hwrng, a
// serial or a USB generator. Reads never block. poll(2) of /dev/hwrng always says ready, and a
// blocking read of it may take seconds. So the driver opens it O_NONBLOCK and asks for little at a
// time.
//
// /dev/hwrng: the kernel names the generator in /sys/class/misc/hw_random/rng_current. A virtio_rng
// (or another one that a hypervisor gives, or none yet) means that this machine's host gives the
// bytes: group `host`, 1 bit/byte. Any other generator is taken for hardware: group = its path, 4
// bit/byte. The driver knows the device by its numbers (10:183), not by its name, so links and
// other nodes of it are the same device. The kernel may put another generator behind the open
// device at any time. So Read() looks at the name after each read: bytes of another generator are
// dropped, and the device is gone until the next Open().
//
// A FIFO whose writer has left is gone at once, unless the configuration says how long it may be
// silent (`silence:`). Then a writer may come and go within this time.
//
// Some devices give nothing until they get a command. `init:` is written to the device after each
// opening: "hex:02 00 ff" or "text:START". What the device answers is read like samples, and falls
// into the start-up tests.
//
// Open() refuses a FIFO that others may write, since they would choose the samples, and a device
// that everybody may write, since they could change how it works.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/process/fd.h"
#include "server/driver/registry.h"

namespace entropyd {

class CharDeviceDriver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static ConfigFault Look(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // How a device behaves.
  struct Habits {
    // The writer of a FIFO may come and go.
    bool pauses = false;
    // What the device gets after each opening; empty = nothing.
    std::string init;
  };

  // `rng_current` is the file that names the generator behind `path`. Empty = the kernel's file,
  // and only for a device with the numbers of hwrng. `hardware` says what was claimed; Open()
  // refuses less.
  CharDeviceDriver(std::string path, std::string rng_current, bool hardware)
      : CharDeviceDriver(std::move(path), std::move(rng_current), hardware, Habits()) {}
  CharDeviceDriver(std::string path, std::string rng_current, bool hardware, Habits habits);

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override {
    fd_.reset();
    names_.reset();
  }

  // The identity of a device whose generator is called `generator` ("" = unknown or none).
  static SourceIdentity IdentityFor(const std::string& path, bool is_hwrng,
                                    const std::string& generator, uint64_t max_rate);

  // The bytes of `init:`. Errors: INVALID_ARGUMENT with the remedy.
  static absl::StatusOr<std::string> ParseInit(absl::string_view text);

 private:
  absl::Status SendInit(int fd) const;

  const std::string path_;
  const std::string rng_current_;
  // True when the claims were made for hardware.
  const bool hardware_;
  const Habits habits_;
  UniqueFd fd_;
  // The file that names the generator, and what it said at Open(). None = there is no such file.
  UniqueFd names_;
  std::string generator_;
  bool is_fifo_ = false;
  // The root of what was opened last.
  std::string root_;
};

}  // namespace entropyd
