// Driver `tpm2`: the generator of a TPM 2.0, by TPM2_GetRandom through the TSS. `tcti:` is the way
// to it: device:/dev/tpmrm0 (the kernel's resource manager), swtpm:path=… or mssim:….
//
// A software TPM draws from its host's kernel: group `host`, no credit. The driver knows it by its
// tcti when it reads the configuration (swtpm, mssim), and by its manufacturer when it opens it: a
// virtual machine's /dev/tpmrm0 is software too.
//
// A TPM that is busy (RETRY, YIELDED, TESTING) has nothing yet. After any other error the driver
// builds the way to it again, because after a broken connection the TCTI gives the same error for
// ever.
//
// The TSS waits for an answer without a limit: Create() puts the driver behind a GuardedDriver.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/driver/registry.h"

struct ESYS_CONTEXT;

namespace entropyd {

class Tpm2Driver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static ConfigFault Look(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // `believed`: the operator or Identify() has made sure that a software TPM counts for no more
  // than it is worth. Otherwise Open() refuses a software TPM.
  Tpm2Driver(std::string tcti, bool believed);
  ~Tpm2Driver() override;

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override;

  // The root of the TPM that a tcti leads to: of a device node by what it is, of tabrmd by what it
  // opens.
  static std::string RootOfTcti(absl::string_view tcti);

  // True when a response code means "ask again": the TPM is busy and has lost nothing.
  static bool IsBusy(uint32_t code);

 private:
  absl::StatusOr<std::string> Manufacturer();

  const std::string tcti_;
  const bool believed_;
  // The root of what was opened last.
  std::string root_;
  ESYS_CONTEXT* esys_ = nullptr;
};

}  // namespace entropyd
