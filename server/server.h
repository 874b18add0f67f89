// The assembled server: supply, dispatcher, gRPC and HTTP. It starts them in the order in which
// they depend on one another, and stops them in the opposite order.
//
//   auto plan = ServerPlan::Check(config, locations, clock).value();  // as --check-config
//   auto server = Server::Start(std::move(plan), clock, log).value();
//   ... wait for a signal, calling server->Tick() twice a second ...
//   server->Stop();
//
// Thread safety: one owner thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "server/server_plan.h"

namespace entropyd {

// How a running server learns of a new configuration. With an empty `load` it learns of none.
struct Reloading {
  std::function<absl::StatusOr<ServerPlan>()> load = nullptr;
  // The file that `load` reads.
  std::string config_path = {};
};

class Server {
 public:
  // After SIGTERM agents have this long to attach elsewhere. The whole stop takes 5 s at most.
  static constexpr int64_t kStopDrainNanos = 2'500 * kMillisecondNanos;
  // Calls that still run after the drain are cancelled after this time.
  static constexpr int64_t kStopGraceNanos = kSecondNanos;

  // Opens devices and sockets. Clock and log outlive the server. Errors: INVALID_ARGUMENT
  // (addresses), UNAVAILABLE (bind), RESOURCE_EXHAUSTED (strict_memory), INTERNAL (self-test).
  // After an error everything has ended, as after Stop(). Where a device keeps the thread of its
  // source, `hanging` gets the server, for a caller that ends its process without waiting for that
  // thread; nullptr = Start() waits.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerPlan plan, const Clock* clock,
                                                       Log* log, Reloading reloading = {},
                                                       std::unique_ptr<Server>* hanging = nullptr);
  // Calls Stop(). Waits for all threads.
  ~Server();

  int grpc_port() const;
  // 0 = off.
  int http_port() const;
  // For what only main() knows.
  Metrics* metrics();

  // Whether the dispatcher still runs; nothing else here can hang for long.
  absl::Status Alive() const;
  // One line on how the server is: the pools, a drain, a reload that failed.
  std::string Summary() const;

  // Brings grpc.health.v1 up to date with the pools, and takes files that have changed.
  void Tick();
  // Takes what is on disk, or nothing of it, in a Tick() that finds server.yaml at rest; the log
  // reports what came of it. Then calls `done`, in that Tick() or in Stop().
  void Reload(std::string cause, std::function<void()> done);
  // Somebody has asked for a reload, and waits for server.yaml to rest: the next Tick() may come
  // sooner.
  bool reload_awaited() const;
  // Drains the sessions, ends what is left, and joins all threads. Returns false when a device
  // keeps the thread of its source in a call: see Supply::Stop().
  bool Stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entropyd
