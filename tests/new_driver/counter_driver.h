// Driver `counter`: hashes of a counter, kept only to prove that a new driver is this and one line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proto/server_config.pb.h"
#include "server/driver/registry.h"
#include "server/driver/source_driver.h"

namespace entropyd {

// Thread safety: one thread.
class CounterDriver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  absl::StatusOr<std::string> Open() override { return std::string("a counter"); }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  void Close() override {}

 private:
  uint64_t count_ = 0;
};

}  // namespace entropyd
