#include "hostagent/upstream/dial.h"

#include <utility>

#include "client/grpc_channel.h"

namespace entropyd {

StreamDial GrpcDial(const config::v1::ClientTls& tls, const Clock* clock) {
  return
      [tls, clock](const std::string& server,
                   std::function<void()> wake) -> absl::StatusOr<std::unique_ptr<EntropyStream>> {
        auto channel = MakeChannel(server, tls, clock->WallTime());
        if (!channel.ok()) return channel.status();
        return EntropyStream::Start(*std::move(channel), std::move(wake));
      };
}

}  // namespace entropyd
