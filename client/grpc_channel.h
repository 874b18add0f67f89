// Makes every gRPC channel of a client.
//
// Each call makes a channel with a connection of its own, and reads the certificate again. So the
// next connection uses a renewed certificate, and a second Attach reaches the server to which the
// name leads at that time.
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/entropy_stream.h"
#include "proto/agent_config.pb.h"

namespace grpc {
class Channel;
}

namespace entropyd {

// `server` is HOST:PORT. A message larger than `max_receive_bytes` ends its call with
// RESOURCE_EXHAUSTED. The channel connects when it is first used.
// Errors: those of tls::LoadMaterial; INVALID_ARGUMENT when `tls` names no certificate, key or CA.
// REQUIRES: main() has called tls::RequireTls13().
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const std::string& server, const config::v1::ClientTls& tls, absl::Time now,
    int max_receive_bytes = kAttachMaxServerMessage);

// The same, but asks nobody where the server is: it is at one of these addresses (IP:PORT or
// [IPV6]:PORT). The server there has to prove that it is `server`. gRPC takes addresses of one
// family only: those of the first one's count.
// Errors: the same; INVALID_ARGUMENT when there is no address.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannelTo(
    const std::vector<std::string>& addresses, const std::string& server,
    const config::v1::ClientTls& tls, absl::Time now);

// A channel to the control socket of a daemon, whatever characters its path has. The mode of the
// file decides who may connect.
std::shared_ptr<grpc::Channel> MakeUnixChannel(const std::string& path);

}  // namespace entropyd
