#include "hostagent/upstream/dial.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "client/grpc_channel.h"
#include "client/name_lookup.h"
#include "hostagent/upstream/named_stream.h"

namespace entropyd {
namespace {

// What all streams of a NamedDial() share.
class NamedDialer {
 public:
  explicit NamedDialer(const NamedDialOptions& options) : options_(options) {}

  absl::StatusOr<std::unique_ptr<EntropyStream>> Dial(const std::string& server,
                                                      std::function<void()> wake) {
    // Reads the certificate now: that it is unusable is no news of the server's.
    auto channel = MakeChannel(server, options_.tls, options_.clock->WallTime());
    if (!channel.ok()) return channel.status();
    if (IsAddress(server) || ResolverIsChosen()) {
      return EntropyStream::Start(*std::move(channel), std::move(wake));
    }
    return std::make_unique<NamedStream>(
        &lookup_, server, wake,
        [this, server, wake, channel = *std::move(channel)](
            const NameLookup::Answer& answer) -> absl::StatusOr<std::unique_ptr<EntropyStream>> {
          if (answer.ok()) return EntropyStream::Start(channel, wake);
          return DialKnown(server, answer.status(), wake);
        },
        [this, server](const NameLookup::Addresses& found) { options_.book->Keep(server, found); });
  }

 private:
  absl::StatusOr<std::unique_ptr<EntropyStream>> DialKnown(const std::string& server,
                                                           const absl::Status& why,
                                                           const std::function<void()>& wake) {
    std::vector<std::string> known = options_.book->Find(server);
    if (known.empty()) return why;
    // Each attempt begins with another one: gRPC tries those of its family only.
    std::rotate(known.begin(), known.begin() + static_cast<ptrdiff_t>(attempt_++ % known.size()),
                known.end());
    auto channel = MakeChannelTo(known, server, options_.tls, options_.clock->WallTime());
    if (!channel.ok()) return channel.status();
    options_.log->Warning("upstream.by_address",
                          {{"server", server},
                           {"addresses", absl::StrJoin(known, ",")},
                           {"reason", why},
                           {"remedy",
                            "correct the name, or look at the resolver (getent ahosts NAME); "
                            "until then the server is tried where it was last reached"}});
    return EntropyStream::Start(*std::move(channel), wake);
  }

  const NamedDialOptions options_;
  NameLookup lookup_;
  size_t attempt_ = 0;
};

}  // namespace

StreamDial GrpcDial(const config::v1::ClientTls& tls, const Clock* clock) {
  return
      [tls, clock](const std::string& server,
                   std::function<void()> wake) -> absl::StatusOr<std::unique_ptr<EntropyStream>> {
        auto channel = MakeChannel(server, tls, clock->WallTime());
        if (!channel.ok()) return channel.status();
        return EntropyStream::Start(*std::move(channel), std::move(wake));
      };
}

StreamDial NamedDial(const NamedDialOptions& options) {
  return [dialer = std::make_shared<NamedDialer>(options)](const std::string& server,
                                                           std::function<void()> wake) {
    return dialer->Dial(server, std::move(wake));
  };
}

}  // namespace entropyd
