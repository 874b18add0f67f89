// How the agent begins a stream to a server.
//
//   StreamDial dial = GrpcDial(tls, &clock);
//   auto stream = dial("a:7743", [&] { Wake(); });
//
//   StreamDial dial = NamedDial({tls, &clock, &log, &address_book});
//
// Errors: of the call; of a certificate or key that cannot be read, from the function of
// GrpcDial() and NamedDial(). That a server does not answer is no error here: the stream ends then.
//
// Thread safety: the function may be called by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "client/entropy_stream.h"
#include "hostagent/upstream/address_book.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// Starts a stream to `server` (HOST:PORT). The stream calls `wake`, from any thread, when there is
// something to look at.
using StreamDial = std::function<absl::StatusOr<std::unique_ptr<EntropyStream>>(
    const std::string& server, std::function<void()> wake)>;

// gRPC over mTLS, each stream with a connection of its own and the certificate as it is on disk
// then. The clock outlives the function.
StreamDial GrpcDial(const config::v1::ClientTls& tls, const Clock* clock);

struct NamedDialOptions {
  config::v1::ClientTls tls;
  // All outlive the function.
  const Clock* clock = nullptr;
  Log* log = nullptr;
  AddressBook* book = nullptr;
};

// The same, for an agent. It looks the name up first, with a deadline of its own. It keeps the
// addresses at which a server has answered. When the name cannot be looked up, it tries these, and
// the log says so (upstream.by_address).
StreamDial NamedDial(const NamedDialOptions& options);

}  // namespace entropyd
