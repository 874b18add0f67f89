// Driver `getrandom`: the kernel's generator. It is software, for tests and demonstrations: the
// server refuses it unless allow_software is set. Beside hardware it is mixed in and never counted.
// In a pool of software sources only it gets credit, because otherwise the pool could never become
// ready. Such a pool says software_only and degraded wherever it shows.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>

#include "server/driver/registry.h"

namespace entropyd {

// Bits per byte credited to a software source in a pool that has no other. The figure is a fiction.
// It is the figure that the health tests assume, so that one rule of accounting holds everywhere.
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
