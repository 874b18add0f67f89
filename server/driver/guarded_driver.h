// Puts a driver whose library may hang behind a driver that never hangs.
//
//   return std::make_unique<GuardedDriver>("token entropy", std::make_unique<Pkcs11Driver>(…));
//
// The library of a security module or a TPM may stay in a call for ever, and nobody can interrupt
// such a call. So the inner driver has a thread of its own. The source's thread asks it and waits
// for as long as the source may be silent, at most. Then it gives the call up. It wipes the bytes
// if they still come, and closes the inner driver as soon as the call returns. Until then Open()
// says that the device hangs. If the call still hangs when the guard is destroyed, the thread and
// the inner driver are left behind, because nothing can end them.
//
// Errors: those of the inner driver, and UNAVAILABLE for a call that hangs.
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
  // Messages call the device `name`. `patience` is how long the source may be silent: 2 s unless
  // the configuration says otherwise. A TPM in its self-test needs about 1 s.
  GuardedDriver(std::string name, std::unique_ptr<SourceDriver> inner, absl::Duration patience);
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
  // The root of the inner driver, since Open().
  std::string root_;
  // The worker's thread shares it.
  const std::shared_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace entropyd
