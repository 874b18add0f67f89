// The one place where a client's gRPC channel to a server is made.
//
// Each call makes a channel with a connection of its own, and reads the certificate anew: a renewed
// certificate serves from the next connection on, and a second Attach reaches whatever server the
// name leads to by then.
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/entropy_stream.h"
#include "proto/agent_config.pb.h"

namespace grpc {
class Channel;
}

namespace entropyd {

// `server` is HOST:PORT; a larger message than `max_receive_bytes` ends its call with
// RESOURCE_EXHAUSTED. Connects when first used. Errors: those of tls::LoadMaterial;
// INVALID_ARGUMENT when `tls` names no certificate, key or CA. REQUIRES: tls::RequireTls13() was
// called by main().
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const std::string& server, const config::v1::ClientTls& tls, absl::Time now,
    int max_receive_bytes = EntropyStream::kMaxReceiveBytes);

// A channel to a daemon's control socket; who may connect is the file's mode.
std::shared_ptr<grpc::Channel> MakeUnixChannel(const std::string& path);

}  // namespace entropyd
