// Driver `egd`: an upstream EGD daemon, on a unix socket (`path:`) or, when the configuration says
// so, over TCP (`address: 127.0.0.1:8888`). It asks with command 0x02 ("exactly NN bytes", NN up to
// 255) and has one request under way at a time.
//
// The bytes of a daemon are worth what its own sources are worth, and nobody here can know that:
// group `host`, and no credit unless the operator states one. Others can read plain TCP beyond the
// loopback, so such bytes never get credit.
//
// Nothing blocks. EGD has no framing. A byte that the driver did not ask for means that both ends
// disagree, and it closes the connection. The source gives up a daemon that is silent for longer
// than it may be, so a late answer is never taken for the next one.
//
// Errors: as SourceDriver.
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
  static ConfigFault Look(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // Exactly one of the two arguments is empty. REQUIRES: Check() has passed.
  EgdDriver(const std::string& path, const std::string& address);

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override { connection_.reset(); }

 private:
  absl::Status Request(size_t bytes);

  // The path or the address, for messages.
  const std::string name_;
  sockaddr_storage to_{};
  socklen_t to_bytes_ = 0;
  UniqueFd connection_;
  // The root of the socket that it connected to last; empty over TCP.
  std::string root_;
  // Bytes that it has asked for and not received yet.
  size_t owed_ = 0;
};

}  // namespace entropyd
