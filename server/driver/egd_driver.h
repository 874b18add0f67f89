// Driver `egd`: an upstream EGD daemon, on a unix socket (`path:`) or, when told so, over TCP
// (`address: 127.0.0.1:8888`). It asks with command 0x02 ("exactly NN bytes", NN up to 255) and
// has one request under way at a time.
//
// What a daemon gives is worth what its own sources are, which nobody here can know: group `host`
// and no credit unless the operator states one. Plain TCP beyond the loopback can be read on the
// way, so it is never credited.
//
// Nothing blocks. EGD has no framing: a byte that was not asked for means that both ends disagree,
// and the connection is closed. A daemon that is silent for 2 s is given up by the source, so an
// answer that is late can never be taken for the next one.
//
// Thread safety: as SourceDriver.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "base/process/fd.h"
#include "server/driver/registry.h"

namespace entropyd {

class EgdDriver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // One of them is empty. REQUIRES: Check() has passed.
  EgdDriver(const std::string& path, const std::string& address);

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override { connection_.reset(); }

 private:
  absl::Status Request(size_t bytes);

  // The path or the address.
  const std::string name_;
  sockaddr_storage to_{};
  socklen_t to_bytes_ = 0;
  UniqueFd connection_;
  // Of the socket that was connected to last; empty over TCP.
  std::string root_;
  // Bytes asked for and not received.
  size_t owed_ = 0;
};

}  // namespace entropyd
