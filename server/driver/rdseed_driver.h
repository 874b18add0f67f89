// Driver `rdseed`: the processor's RDSEED instruction, the conditioned output of its noise source.
//
// The driver uses only the 64-bit form: on some processors the 32-bit form repeats values while its
// carry flag says that all is well. The kernel knows the faulty processors and takes `rdseed` out
// of /proc/cpuinfo; CPUID still shows it. So both must show it. The instruction is slow, and fails
// often when several cores ask. That is normal: the driver tries up to 1,024 times per word with a
// PAUSE between two tries. A word that does not come then is "nothing yet".
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>

#include "server/driver/registry.h"

namespace entropyd {

class RdseedDriver final : public SourceDriver {
 public:
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // Tries once to get a 64-bit word; false = the processor had none (carry flag clear).
  using Draw = bool (*)(uint64_t* word);
  // `get` is nullptr when CPUID shows no RDSEED. `cpuinfo` is the file with the flags that the
  // kernel trusts.
  RdseedDriver(Draw get, std::string cpuinfo);

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  void Close() override {}

  // This processor's RDSEED, or nullptr.
  static Draw ProcessorDraw();

 private:
  bool DrawWithRetries(uint64_t* word) const;

  const Draw get_;
  const std::string cpuinfo_;
};

}  // namespace entropyd
