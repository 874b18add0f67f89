#include "client/grpc_channel.h"

#include <fcntl.h>

#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/crypto/handshake_watch.h"
#include "base/crypto/tls.h"
#include "base/process/fd.h"
#include "base/process/host_port.h"
#include "base/wire/grpc_credentials.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"

namespace entropyd {
namespace {

grpc::ChannelArguments ServerChannelArguments(int max_receive_bytes) {
  grpc::ChannelArguments arguments;
  // Even an idle stream notices within 10 s + 4 s that its server has vanished. Guests of a class
  // that blocks wait no longer than that. 10,000 agents send 1,000 pings a second.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 4'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Keeps the window at 64 KiB. With probing, megabytes would lie unread in ordinary memory while
  // the owner pauses.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65536);
  arguments.SetMaxReceiveMessageSize(max_receive_bytes);
  // The minimum stays at gRPC's 20 s, which is also the connect timeout. With 2 s, a thousand
  // agents that come at once make each other time out for ever.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 30'000);
  // Shares no connection and no back-off with another channel: the caller has its own back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Secrets do not compress, and nothing would wipe a decompressed copy.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // Goes to the server directly: a web proxy is of no use here.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

// `target` is what gRPC resolves; empty = the server. `host` is whom the server has to prove to be;
// empty = as the target says.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Make(const std::string& server,
                                                    const std::string& target,
                                                    const std::string& host,
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
  tls::WatchHandshakes();  // so that an error can say why a server refuses our certificate
  grpc::ChannelArguments arguments = ServerChannelArguments(max_receive_bytes);
  const std::string& name = tls.server_name().empty() ? host : tls.server_name();
  if (!name.empty()) arguments.SetSslTargetNameOverride(name);
  return grpc::CreateCustomChannel(target.empty() ? server : target,
                                   tls::ChannelCredentials(*material), arguments);
}

// A path of a URI, which gRPC takes apart again: "/a%20b".
std::string EscapedForUri(absl::string_view path) {
  std::string escaped;
  for (const char c : path) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                       absl::string_view("/-._~").find(c) != absl::string_view::npos;
    absl::StrAppend(&escaped, plain ? std::string(1, c)
                                    : absl::StrFormat("%%%02X", static_cast<unsigned char>(c)));
  }
  return escaped;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& server,
                                                           const config::v1::ClientTls& tls,
                                                           absl::Time now, int max_receive_bytes) {
  return Make(server, /*target=*/"", /*host=*/"", tls, now, max_receive_bytes);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannelTo(
    const std::vector<std::string>& addresses, const std::string& server,
    const config::v1::ClientTls& tls, absl::Time now) {
  const absl::StatusOr<HostPort> named = ParseRemoteHostPort(server);
  if (!named.ok()) return named.status();
  std::vector<std::string> family;
  for (const std::string& address : addresses) {
    if (absl::StartsWith(address, "[") == absl::StartsWith(addresses.front(), "[")) {
      family.push_back(address);
    }
  }
  if (family.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("connect to ", server, ": no address is known"));
  }
  const std::string target = absl::StrCat(absl::StartsWith(family.front(), "[") ? "ipv6:" : "ipv4:",
                                          absl::StrJoin(family, ","));
  return Make(server, target, named->host, tls, now, kAttachMaxServerMessage);
}

std::shared_ptr<grpc::Channel> MakeUnixChannel(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string name = whole.filename();
  // gRPC ends a path at a ',', also at an escaped one. Such a path is replaced by a descriptor: of
  // the directory, which also finds the socket of the next daemon, or of the socket itself.
  std::shared_ptr<UniqueFd> place;
  std::string shown = path;
  if (absl::StrContains(name, ',')) {
    place = std::make_shared<UniqueFd>(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (*place) shown = absl::StrCat("/proc/self/fd/", place->get());
  } else if (absl::StrContains(path, ',')) {
    place = std::make_shared<UniqueFd>(
        open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (*place) shown = absl::StrCat("/proc/self/fd/", place->get(), "/", name);
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Without this the authority is the percent-encoded path, which some servers refuse.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(
      absl::StrCat("unix:", EscapedForUri(shown)), grpc::InsecureChannelCredentials(), arguments);
  if (place == nullptr) return channel;
  grpc::Channel* const raw = channel.get();
  return {raw, [channel = std::move(channel), place = std::move(place)](grpc::Channel*) mutable {
            channel.reset();
          }};
}

}  // namespace entropyd
