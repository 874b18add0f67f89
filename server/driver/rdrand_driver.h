// Driver `rdrand`: the processor's RDRAND instruction. RDRAND is a DRBG that hardware reseeds. So
// its credit is 256 bits (one reseed) per 64 KiB, whatever it gives.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>

#include "server/driver/registry.h"

namespace entropyd {

class RdrandDriver final : public SourceDriver {
 public:
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // Gets one 64-bit word; false = the processor had none (carry flag clear).
  using Draw = bool (*)(uint64_t* word);
  // `get` is nullptr when this processor has no RDRAND.
  explicit RdrandDriver(Draw get) : get_(get) {}

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  void Close() override {}

  // This processor's RDRAND, or nullptr.
  static Draw ProcessorDraw();

 private:
  bool DrawWithRetries(uint64_t* word) const;

  const Draw get_;
};

}  // namespace entropyd
