// How driver `upstream` asks the other server: Get over mutual TLS, seen without gRPC.
//
//   auto caller = NewUpstreamCaller("entropy-b:7743", tls);
//   absl::Status status = caller->Open();
//   absl::StatusOr<size_t> got = caller->Get("default/gold", out, absl::Seconds(2));
//
// gRPC's half is server/rpc/upstream_caller.cc. It includes this header and defines
// NewUpstreamCaller(), and the linker joins both. So a driver needs nothing of server/rpc, and the
// list of drivers stays one line for each. Otherwise every driver would need a parameter for this
// one.
//
// Errors: those of Open() name the file; a call ends with CANCELLED or UNAVAILABLE.
//
// Thread safety: one thread, except Interrupt().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "proto/server_config.pb.h"

namespace entropyd {

class UpstreamCaller {
 public:
  virtual ~UpstreamCaller() = default;

  // Reads certificate and key; does not dial yet. Errors name the file.
  virtual absl::Status Open() = 0;
  // Fills `out` from the front with bytes of POOL/CLASS and returns how many came. Dials when there
  // is no connection. Errors: CANCELLED (interrupted); UNAVAILABLE with the status that ended the
  // call. REQUIRES: opened.
  virtual absl::StatusOr<size_t> Get(const std::string& pool_class, absl::Span<uint8_t> out,
                                     absl::Duration timeout) = 0;
  // The server of the last answer, as host:port with a numeric host; empty = no answer yet. Two
  // names may lead to one server.
  virtual std::string peer() const = 0;
  virtual void Close() = 0;
  // Soon ends the call that is under way, and every later one. Another thread calls it.
  virtual void Interrupt() = 0;
};

// Makes a caller of the server at `address`, host:port.
std::unique_ptr<UpstreamCaller> NewUpstreamCaller(std::string address, config::v1::ClientTls tls);

}  // namespace entropyd
