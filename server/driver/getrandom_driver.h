// Driver `getrandom`: the kernel's generator. Software: refused unless allow_software, for tests
// and demonstrations. Beside hardware it is mixed in and never counted. In a pool that has nothing
// but software sources it is credited, or the pool could never become ready; such a pool is marked
// software_only and degraded wherever it shows.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>

#include "server/driver/registry.h"

namespace entropyd {

// Bits per byte credited to a software source in a pool that has no other: a fiction, chosen to be
// what the health tests are set for, so that accounting obeys one rule everywhere.
inline constexpr double kSoftwareOnlyMinEntropy = 4;

class GetrandomDriver final : public SourceDriver {
 public:
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  absl::StatusOr<std::string> Open() override { return std::string("kernel"); }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  void Close() override {}
};

}  // namespace entropyd
