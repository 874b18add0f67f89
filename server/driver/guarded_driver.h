// Puts a driver whose library may hang behind a driver that never does.
//
//   return std::make_unique<GuardedDriver>("token entropy", std::make_unique<Pkcs11Driver>(…));
//
// A security module's library or a TPM's may sit in a call for ever, and no call of theirs can be
// interrupted. So the inner driver lives on a thread of its own; the source's thread asks it and
// waits for kPatience at most. A call that takes longer is given up: its bytes, should they still
// come, are wiped, and the inner driver is closed as soon as it returns. Until then Open() says
// that the device hangs. If it still hangs when the guard is destroyed, the thread and the inner
// driver are left behind, for there is no way to end them.
//
// Thread safety: as SourceDriver. The inner driver sees one thread only, and no Interrupt().
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "server/driver/source_driver.h"

namespace entropyd {

class GuardedDriver final : public SourceDriver {
 public:
  // As long as a source lets a device be silent. A TPM in its self-test needs about 1 s.
  static constexpr absl::Duration kPatience = absl::Seconds(2);

  // `name` is what messages call the device.
  GuardedDriver(std::string name, std::unique_ptr<SourceDriver> inner,
                absl::Duration patience = kPatience);
  ~GuardedDriver() override;

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override;
  void Interrupt() override;

 private:
  struct Worker;

  const std::string name_;
  const absl::Duration patience_;
  // The inner driver's, since Open().
  std::string root_;
  // Shared with its thread.
  const std::shared_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace entropyd
