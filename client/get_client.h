// Calls Get of a server: asks for a little entropy and waits for it.
//
//   auto client = GetClient::Create(config.server(), config.tls(), absl::Now());
//   SecretBytes key = arena->Allocate(32).value();
//   auto drawn = (*client)->Get("default/gold", key.span());
//
// The bytes go from gRPC's receive buffer directly into `out`, and the buffer is wiped. No protobuf
// message ever holds them.
//
// Thread safety: safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/wire/attach_limits.h"
#include "client/slow_call.h"
#include "proto/agent_config.pb.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class GetClient {
 public:
  static constexpr size_t kMaxBytesPerCall = kGetMaxBytes;
  // A server ends a Get that has waited for 30 s, and says why. That has to come in first.
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(35);

  struct Drawn {
    v1::Quality quality = v1::QUALITY_UNSPECIFIED;
    uint64_t seed_generation = 0;  // of the last call
    uint64_t seed_age_ms = 0;      // at that time
  };

  // Does not connect yet. Errors: those of MakeChannel (client/grpc_channel.h).
  static absl::StatusOr<std::unique_ptr<GetClient>> Create(const std::string& server,
                                                           const config::v1::ClientTls& tls,
                                                           absl::Time now,
                                                           absl::Duration timeout = kDefaultTimeout,
                                                           SlowCall::Tell slow = nullptr);
  virtual ~GetClient() = default;

  // Fills `out` with as many calls as it needs; each call has the timeout. After an error `out` is
  // wiped. Errors: those of the server (PERMISSION_DENIED, NOT_FOUND, UNAVAILABLE,
  // RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED), INVALID_ARGUMENT (`out` is empty), INTERNAL (a reply of
  // the wrong length).
  virtual absl::StatusOr<Drawn> Get(const std::string& pool_class, absl::Span<uint8_t> out,
                                    v1::Quality min_quality = v1::QUALITY_UNSPECIFIED) = 0;
};

}  // namespace entropyd
