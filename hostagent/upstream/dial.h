// How the agent begins a stream to a server.
//
//   StreamDial dial = GrpcDial(tls, &clock);
//   auto stream = dial("a:7743", [&] { Wake(); });
//
// Errors: of the call; of a certificate or key that cannot be read, from the function of
// GrpcDial(). That a server does not answer is no error here: the stream ends then.
//
// Thread safety: the function may be called by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/process/clock.h"
#include "client/entropy_stream.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// Starts a stream to `server` (HOST:PORT). The stream calls `wake`, from any thread, when there is
// something to look at.
using StreamDial = std::function<absl::StatusOr<std::unique_ptr<EntropyStream>>(
    const std::string& server, std::function<void()> wake)>;

// gRPC over mTLS, each stream with a connection of its own and the certificate as it is on disk
// then. The clock outlives the function.
StreamDial GrpcDial(const config::v1::ClientTls& tls, const Clock* clock);

}  // namespace entropyd
