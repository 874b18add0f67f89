#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/descriptor_limit.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "base/process/state_dir.h"
#include "base/process/thread.h"
#include "base/telemetry/http_server.h"
#include "base/telemetry/metrics.h"
#include "server/access/gate.h"
#include "server/attach/protocols.h"
#include "server/classes/class_changes.h"
#include "server/classes/class_state_file.h"
#include "server/dispatch/class_table.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/dispatch/dispatcher.h"
#include "server/door/door.h"
#include "server/door/door_probe.h"
#include "server/door_config.h"
#include "server/grpc_server.h"
#include "server/late_reloader.h"
#include "server/reconfigurer.h"
#include "server/reloader.h"
#include "server/rpc/admin_audit.h"
#include "server/rpc/open_calls.h"
#include "server/server_metrics.h"
#include "server/server_standing.h"
#include "server/shares_config.h"
#include "server/supply/supply.h"

namespace entropyd {
namespace {

// The memory of conditioners, generators and self-tests, besides the pools' stored bytes. It is
// address space; a page counts only when it is used.
constexpr size_t kArenaBytes = 8 << 20;

size_t ArenaBytes(const config::v1::Server& config) {
  size_t bytes = kArenaBytes;
  for (const config::v1::PoolConfig& pool : config.pools()) bytes += 2 * pool.capacity();
  bytes += static_cast<size_t>(config.sources_size()) * Supply::kSourceBytes;
  return bytes;
}

Protocols::Options ProtocolOptions(const config::v1::Server& config, const Gate* gate,
                                   int64_t now_nanos) {
  Protocols::Options options;
  const Protocols::Limits limits = PlanLimits(config);
  options.attach.limits = limits.session;
  options.attach.max_agents = limits.max_agents;
  options.get.max_waiting = limits.max_gets;
  options.shares = limits.shares;
  options.attach.jitter_seed = static_cast<uint64_t>(now_nanos);
  options.allow = [gate](absl::string_view identity, Call call,
                         absl::string_view pool_class) -> absl::StatusOr<uint32_t> {
    absl::Status allowed =
        call == Call::kAttach
            ? gate->AllowClass(identity, {config::v1::ROLE_AGENT}, pool_class)
            : gate->AllowClass(identity, {config::v1::ROLE_READER, config::v1::ROLE_AGENT},
                               pool_class);
    if (!allowed.ok()) return allowed;
    return call == Call::kAttach ? gate->MaxWeight(identity, pool_class) : 1;
  };
  options.attach.admission = [gate](const PeerCertificate& certificate) {
    return gate->Recheck(certificate, "Attach", {config::v1::ROLE_AGENT});
  };
  options.attach.lifetime_nanos = [gate](const PeerCertificate& certificate) {
    return gate->LifetimeNanos(certificate);
  };
  options.get.admission = [gate](const PeerCertificate& certificate) {
    return gate->Recheck(certificate, "Get", {config::v1::ROLE_READER, config::v1::ROLE_AGENT});
  };
  return options;
}

// What the door wants to hear from the gate, by the addresses that gRPC gives callers. It is asked
// at each call, so most of the time nobody waits for the door.
Gate::Hearers HearersOf(Door* door) {
  return {.admitted =
              [door](absl::string_view peer, absl::string_view identity) {
                return door->has_strangers() ? door->Introduce(peer, identity) : absl::OkStatus();
              },
          .denied =
              [door](absl::string_view peer, absl::string_view identity) {
                if (door->has_strangers()) door->Denied(peer, identity);
              },
          .exceeded = [door](absl::string_view peer,
                             absl::string_view identity) { door->Exceeded(peer, identity); }};
}

}  // namespace

// Members stand in the order of construction; Stop() undoes it.
struct Server::Impl {
  Impl(const Clock* c, Log* l) : clock(c), log(l) { log->Export(&metrics); }

  absl::Status StartSupply(const ServerPlan& plan);
  absl::Status StartDispatcher(const ServerPlan& plan);
  absl::Status OpenAudit(const ServerPlan& plan);
  absl::Status OpenDoor(const ServerPlan& plan);
  absl::Status StartGrpc(const ServerPlan& plan);
  void MakeStanding();
  absl::Status StartHttp(const ServerPlan& plan);
  void StartReloading(const ServerPlan& plan, Reloading reloading);
  // Of those whose certificate has expired: ends streams, calls and connections.
  void EndExpired();
  void WaitForSessions(int64_t deadline_nanos);

  const Clock* const clock;
  Log* const log;
  Metrics metrics;
  std::unique_ptr<SecretArena> arena;
  std::unique_ptr<Supply> supply;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<ClassChanges> class_changes;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Protocols> protocols;
  std::unique_ptr<DispatchLoop> loop;
  std::unique_ptr<ServerMetrics> server_metrics;
  std::unique_ptr<AdminAudit> audit;
  std::atomic<bool> allow_recording{false};
  OpenCalls open_calls;
  LateReloader reloads;
  std::unique_ptr<Door> door;
  std::unique_ptr<GrpcServer> grpc;
  std::unique_ptr<ServerStanding> standing;
  std::unique_ptr<HttpServer> http;
  bool stopped = false;
};

absl::Status Server::Impl::StartSupply(const ServerPlan& plan) {
  absl::StatusOr<std::unique_ptr<SecretArena>> created = SecretArena::Create(
      ArenaBytes(plan.config), plan.config.strict_memory() ? SecretArena::Locking::kRequired
                                                           : SecretArena::Locking::kBestEffort);
  if (!created.ok()) return created.status();
  arena = *std::move(created);
  absl::StatusOr<std::unique_ptr<Supply>> made =
      Supply::Create(plan.config, plan.locations, arena.get(), clock, log, &metrics);
  if (!made.ok()) return made.status();
  supply = *std::move(made);
  return absl::OkStatus();
}

absl::Status Server::Impl::StartDispatcher(const ServerPlan& plan) {
  gate = std::make_unique<Gate>(plan.policy, plan.material.trust, clock, log, &metrics);
  gate->SetCallLimit(plan.config.max_calls_per_identity_per_second());

  ClassChanges::Save save;
  if (const std::string& state_dir = plan.config.state_dir(); !state_dir.empty()) {
    if (absl::Status prepared = MakeStateDir(state_dir); !prepared.ok()) {
      return plan.locations.At("state_dir", prepared);
    }
    absl::StatusOr<UniqueFd> lock = LockStateDir(state_dir);
    if (!lock.ok()) return plan.locations.At("state_dir", lock.status());
    // Held by who writes there.
    save = [state_dir, lock = std::make_shared<UniqueFd>(*std::move(lock))](
               const config::v1::ClassState& state) { return SaveClassState(state_dir, state); };
  }
  class_changes =
      std::make_unique<ClassChanges>(plan.config, plan.class_state, std::move(save), clock, log);
  std::vector<PoolSetup> setups;
  for (int i = 0; i < plan.config.pools_size(); ++i) {
    const config::v1::PoolConfig pool = class_changes->Effective(plan.config.pools(i));
    absl::StatusOr<PoolSetup> setup =
        MakePoolSetup(pool, i, plan.locations, supply->FindPool(pool.name()));
    if (!setup.ok()) return setup.status();
    setup->differing = class_changes->Differing(pool.name());
    setups.push_back(*std::move(setup));
  }
  dispatcher = std::make_unique<Dispatcher>(PlanBudget(plan.config), std::move(setups), clock, log);
  protocols = std::make_unique<Protocols>(
      ProtocolOptions(plan.config, gate.get(), clock->NowNanos()), dispatcher.get(), clock, log);
  absl::StatusOr<std::unique_ptr<DispatchLoop>> started =
      DispatchLoop::Start(dispatcher.get(), clock);
  if (!started.ok()) return started.status();
  loop = *std::move(started);
  for (Pool* pool : supply->pools()) {
    pool->SetChangeCallback([raw = loop.get()] { raw->PoolsChanged(); });
  }
  server_metrics = std::make_unique<ServerMetrics>(&metrics, loop.get(), dispatcher.get(),
                                                   protocols.get(), plan.material.not_after);
  return supply->Start();
}

absl::Status Server::Impl::OpenAudit(const ServerPlan& plan) {
  absl::StatusOr<std::unique_ptr<AdminAudit>> audited = AdminAudit::Open(
      plan.config.audit_log(),
      plan.config.log().format() == config::v1::LOG_FORMAT_JSON ? LogFormat::kJson
                                                                : LogFormat::kLogfmt,
      clock, log);
  if (!audited.ok()) return plan.locations.At("audit_log", audited.status());
  audit = *std::move(audited);
  return absl::OkStatus();
}

absl::Status Server::Impl::OpenDoor(const ServerPlan& plan) {
  absl::StatusOr<Door::Options> options = PlanDoor(plan.config, RaiseDescriptorLimit(), log);
  if (!options.ok()) return options.status();
  absl::StatusOr<std::unique_ptr<Door>> opened = Door::Open(*options, clock, log, &metrics);
  if (!opened.ok()) return plan.locations.At("listen", opened.status());
  door = *std::move(opened);
  // A certificate that is revoked, or has no role, does not make a stranger known.
  gate->SetHearers(HearersOf(door.get()));
  return absl::OkStatus();
}

absl::Status Server::Impl::StartGrpc(const ServerPlan& plan) {
  if (absl::Status possible = CheckThreadsForGrpc(); !possible.ok()) return possible;
  if (absl::Status opened = OpenAudit(plan); !opened.ok()) return opened;
  if (absl::Status opened = OpenDoor(plan); !opened.ok()) return opened;
  allow_recording = plan.config.allow_recording();
  absl::StatusOr<std::unique_ptr<GrpcServer>> started = GrpcServer::Start(
      {.gate = gate.get(),
       .loop = loop.get(),
       .dispatcher = dispatcher.get(),
       .protocols = protocols.get(),
       .supply = supply.get(),
       .changes = class_changes.get(),
       .log = log,
       .audit = audit.get(),
       .open_calls = &open_calls,
       .reload = [this](Reloader::Done done) { reloads.Ask(Reloader::kOperator, std::move(done)); },
       .reload_problem = [this] { return reloads.problem(); },
       .needs_restart = [this] { return reloads.needs_restart(); },
       .allow_recording = &allow_recording},
      door.get(), plan.material);
  if (!started.ok()) return started.status();
  grpc = *std::move(started);
  return absl::OkStatus();
}

void Server::Impl::MakeStanding() {
  const auto probe =
      std::make_shared<DoorProbe>([raw = door.get()] { return raw->Knock(); }, clock);
  standing = std::make_unique<ServerStanding>(
      ServerStanding::Parts{.last_step_nanos = [this] { return loop->last_step_nanos(); },
                            .protocols = [this] { return protocols->standing(); },
                            .certificate_end = [this] { return server_metrics->certificate_end(); },
                            .pools = [this] { return supply->ListPools(); },
                            .reload_problem = [this] { return reloads.problem(); },
                            .knock = [probe] { return probe->Check(); }},
      clock);
}

absl::Status Server::Impl::StartHttp(const ServerPlan& plan) {
  if (plan.config.metrics().empty()) return absl::OkStatus();
  HttpServer::Options options;
  options.address = plan.config.metrics();
  options.healthy = [this] { return standing->Healthy(); };
  options.ready = [this] { return standing->Ready(); };
  absl::StatusOr<std::unique_ptr<HttpServer>> started = HttpServer::Start(options, &metrics);
  if (!started.ok()) return plan.locations.At("metrics", started.status());
  http = *std::move(started);
  return absl::OkStatus();
}

void Server::Impl::StartReloading(const ServerPlan& plan, Reloading reloading) {
  if (!reloading.load) return;
  const auto certificate_end = [raw = server_metrics.get()](absl::Time not_after) {
    raw->SetCertificateEnd(not_after);
  };
  auto reconfigurer =
      std::make_unique<Reconfigurer>(Reconfigurer::Parts{.loop = loop.get(),
                                                         .dispatcher = dispatcher.get(),
                                                         .protocols = protocols.get(),
                                                         .supply = supply.get(),
                                                         .classes = class_changes.get(),
                                                         .door = door.get(),
                                                         .audit = audit.get(),
                                                         .allow_recording = &allow_recording,
                                                         .clock = clock,
                                                         .log = log});
  auto reloader =
      std::make_unique<Reloader>(std::move(reloading.load), std::move(reloading.config_path), plan,
                                 Reloader::Parts{.gate = gate.get(),
                                                 .door = door.get(),
                                                 .reconfigurer = reconfigurer.get(),
                                                 .loop = loop.get(),
                                                 .protocols = protocols.get(),
                                                 .open_calls = &open_calls,
                                                 .credentials = grpc->credentials(),
                                                 .certificate_end = certificate_end,
                                                 .log = log},
                                 clock, &metrics);
  reloads.Begin(std::move(reconfigurer), std::move(reloader));
}

void Server::Impl::EndExpired() {
  if (!gate->TakeExpiries()) return;
  RecheckPeers(loop.get(), protocols.get());
  open_calls.Recheck(*gate);
  door->Recheck();
}

void Server::Impl::WaitForSessions(int64_t deadline_nanos) {
  bool empty = false;
  while (!empty && clock->NowNanos() < deadline_nanos) {
    loop->RunAndWait([this, &empty](int64_t) { empty = protocols->idle(); });
    if (!empty) absl::SleepFor(absl::Milliseconds(20));
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerPlan plan, const Clock* clock, Log* log,
                                                      Reloading reloading,
                                                      std::unique_ptr<Server>* hanging) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(clock, log)));
  Impl& impl = *server->impl_;
  for (const std::string& warning : plan.warnings) {
    log->Warning("config.warning", {{"reason", warning}});
  }
  absl::Status status = impl.StartSupply(plan);
  if (status.ok()) status = impl.StartDispatcher(plan);
  if (status.ok()) status = impl.StartGrpc(plan);
  if (status.ok()) impl.MakeStanding();
  if (status.ok()) status = impl.StartHttp(plan);
  if (!status.ok()) {
    if (!server->Stop() && hanging != nullptr) *hanging = std::move(server);
    return status;
  }
  impl.StartReloading(plan, std::move(reloading));
  server->Tick();
  return server;
}

Server::~Server() { Stop(); }

int Server::grpc_port() const { return impl_->door == nullptr ? 0 : impl_->door->port(); }
Metrics* Server::metrics() { return &impl_->metrics; }
int Server::http_port() const { return impl_->http == nullptr ? 0 : impl_->http->port(); }

absl::Status Server::Alive() const {
  return impl_->standing == nullptr ? absl::UnavailableError("the server did not start")
                                    : impl_->standing->Alive();
}
std::string Server::Summary() const {
  return impl_->standing == nullptr ? "did not start" : impl_->standing->Summary();
}

void Server::Reload(std::string cause, std::function<void()> done) {
  impl_->reloads.Ask(std::move(cause),
                     [done = std::move(done)](const Reloader::Outcome&) { done(); });
}

bool Server::reload_awaited() const { return impl_->reloads.awaited(); }

void Server::Tick() {
  impl_->reloads.Tick();
  impl_->EndExpired();
  impl_->door->EndShutOut();
  impl_->grpc->SetServing(impl_->standing->Ready().ok());
}

bool Server::Stop() {
  Impl& impl = *impl_;
  if (std::exchange(impl.stopped, true)) return impl.supply == nullptr || impl.supply->Stop();
  impl.reloads.Stop();
  if (impl.grpc != nullptr) {
    impl.grpc->StopServing();
    const int64_t deadline = impl.clock->NowNanos() + kStopDrainNanos;
    impl.loop->RunAndWait(
        [&impl, deadline](int64_t now_nanos) { impl.protocols->Stop(now_nanos, deadline); });
    impl.WaitForSessions(deadline + kStopGraceNanos / 2);
    impl.supply->Stop();  // ends the calls that wait for a source
    impl.http.reset();    // its probe would wait for the door
    impl.grpc->Stop(kStopGraceNanos);
  }
  impl.http.reset();
  impl.grpc.reset();
  impl.door.reset();
  const bool ended = impl.supply == nullptr || impl.supply->Stop();
  impl.loop.reset();
  impl.protocols.reset();
  impl.dispatcher.reset();
  return ended;
}

}  // namespace entropyd
