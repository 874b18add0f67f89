#include "client/demo/demo_watch.h"

#include "absl/time/clock.h"
#include "client/client_config.h"

namespace entropyd {
namespace {

// Two refreshes of the screen: a program that takes longer on loopback is not well.
constexpr absl::Duration kPatience = absl::Seconds(2);

}  // namespace

absl::StatusOr<std::unique_ptr<DemoWatch>> DemoWatch::Create(const DemoPaths& paths) {
  ClientFlags flags;
  flags.config = paths.client_yaml;
  // The user's own ENTROPYD_* do not concern the demo.
  const auto config = LoadClientConfig(flags, [](const char*) -> const char* { return nullptr; });
  if (!config.ok()) return config.status();
  auto admin = AdminClient::Create(config->server(), config->tls(), absl::Now(), kPatience);
  if (!admin.ok()) return admin.status();
  return std::unique_ptr<DemoWatch>(
      new DemoWatch(*std::move(admin), AgentAdminClient::Create(paths.control, kPatience)));
}

DemoSnapshot DemoWatch::Look() {
  DemoSnapshot now;
  if (auto sources = admin_->ListSources(); sources.ok()) now.sources = *std::move(sources);
  if (auto pools = admin_->ListPools(); pools.ok()) now.pools = *std::move(pools);
  if (auto status = agent_->GetStatus(); status.ok()) now.agent = *std::move(status);
  return now;
}

}  // namespace entropyd
