#include "client/grpc_channel.h"

#include "absl/strings/str_cat.h"
#include "base/crypto/tls.h"
#include "base/wire/grpc_credentials.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"

namespace entropyd {
namespace {

grpc::ChannelArguments ServerChannelArguments(int max_receive_bytes) {
  grpc::ChannelArguments arguments;
  // A server that vanished without a word is noticed within 10 s + 4 s, also by an idle stream:
  // guests of a class that blocks wait for no longer. 10,000 agents are 1,000 pings a second.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 4'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The window is fixed at 64 KiB: with probing, megabytes would lie unread in ordinary memory when
  // the owner pauses.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65536);
  arguments.SetMaxReceiveMessageSize(max_receive_bytes);
  // The minimum is left at gRPC's 20 s, which is the connect timeout too: 2 s makes a thousand
  // agents that come at once time each other out for ever.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 30'000);
  // No connection is shared with another channel, nor its back-off: the caller has its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Secrets do not compress, and a decompressed copy would escape the wiping.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // Servers are reached directly; a proxy meant for the web is of no use here.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& server,
                                                           const config::v1::ClientTls& tls,
                                                           absl::Time now, int max_receive_bytes) {
  if (tls.cert().empty() || tls.key().empty() || tls.ca().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "connect to ", server, ": no ",
        tls.cert().empty()  ? "certificate"
        : tls.key().empty() ? "key"
                            : "CA",
        " given; name all three by --cert, --key and --ca, by ENTROPYD_CERT, ENTROPYD_KEY and "
        "ENTROPYD_CA, or by `tls` in the configuration file"));
  }
  absl::StatusOr<tls::Material> material =
      tls::LoadMaterial(tls.cert(), tls.key(), tls.ca(), /*crl=*/"", now);
  if (!material.ok()) return material.status();
  grpc::ChannelArguments arguments = ServerChannelArguments(max_receive_bytes);
  if (!tls.server_name().empty()) arguments.SetSslTargetNameOverride(tls.server_name());
  return grpc::CreateCustomChannel(server, tls::ChannelCredentials(*material), arguments);
}

std::shared_ptr<grpc::Channel> MakeUnixChannel(const std::string& path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Without it the authority is the path, percent-encoded, which servers of other languages refuse.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(absl::StrCat("unix:", path), grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace entropyd
