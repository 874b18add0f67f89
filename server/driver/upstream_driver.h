// Driver `upstream`: another entropyd. The driver asks it by Get over mutual TLS for bytes of one
// class, as any reader may. It is for a server in a place without devices, or for one more source
// in a pool.
//
// The bytes are output of the other server's pool. That pool may rest on the same root as this one:
// group `host`, no credit unless the operator states one.
//
// The driver gives up a call without an answer after as long as the source may be silent. It reads
// certificate and key again at every Open(), so it takes a renewed one without a restart.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "proto/server_config.pb.h"
#include "server/driver/registry.h"
#include "server/driver/upstream_caller.h"

namespace entropyd {

class UpstreamDriver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static ConfigFault Look(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // Messages call the other server `address`. `patience` is how long a call may take.
  UpstreamDriver(std::string address, std::string pool_class,
                 std::unique_ptr<UpstreamCaller> caller, absl::Duration patience);

  // Does not dial yet. The first Read() dials, and says why when it cannot.
  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override;
  void Close() override { caller_->Close(); }
  void Interrupt() override { caller_->Interrupt(); }

 private:
  const std::string address_;
  const std::string pool_class_;
  const absl::Duration patience_;
  const std::unique_ptr<UpstreamCaller> caller_;
};

}  // namespace entropyd
