// Driver `upstream`: another entropyd, asked by Get over mutual TLS for bytes of one class, as any
// reader may. For a server in a place without devices, or one more voice in a pool.
//
// What comes is output of the other's pool, and the other may rest on the same root as we do:
// group `host`, no credit unless the operator states one.
//
// A call that is not answered within 2 s is given up. Certificate and key are read again at every
// Open(), so a renewed one is taken without a restart.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>

#include "proto/server_config.pb.h"
#include "server/driver/registry.h"
#include "server/driver/upstream_caller.h"

namespace entropyd {

class UpstreamDriver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // `address` is what messages name the other server by.
  UpstreamDriver(std::string address, std::string pool_class,
                 std::unique_ptr<UpstreamCaller> caller);

  // Does not dial yet: the first Read() does, and tells why it could not.
  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override;
  void Close() override { caller_->Close(); }
  void Interrupt() override { caller_->Interrupt(); }

 private:
  const std::string address_;
  const std::string pool_class_;
  const std::unique_ptr<UpstreamCaller> caller_;
};

}  // namespace entropyd
