#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/descriptor_limit.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "base/process/state_dir.h"
#include "base/process/thread.h"
#include "base/telemetry/http_server.h"
#include "base/telemetry/metrics.h"
#include "base/wire/attach_limits.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "proto/admin.pb.h"
#include "proto/entropy.pb.h"
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
#include "server/reconfigurer.h"
#include "server/reloader.h"
#include "server/rpc/admin_audit.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/attach_service.h"
#include "server/rpc/foreign_calls.h"
#include "server/rpc/grpc_door.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/serving_credentials.h"
#include "server/server_metrics.h"
#include "server/shares_config.h"
#include "server/source/sample_recording.h"
#include "server/supply/supply.h"

namespace entropyd {
namespace {

// The memory of conditioners, generators and self-tests, besides the pools' stored bytes. It is
// address space; a page counts only when it is used.
constexpr size_t kArenaBytes = 8 << 20;

// A process whose dispatcher has not run for so long is stuck: an idle dispatcher runs once a
// second.
constexpr int64_t kStalledNanos = 10 * kSecondNanos;

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

// Well above the sessions' own rotation, which moves agents without an error. gRPC makes it up to a
// tenth shorter or longer.
constexpr int64_t kConnectionAgeNanos = 2 * kHourNanos;
static_assert(SampleRecording::kLongestNanos < kConnectionAgeNanos / 10 * 9);

// Measured settings, each with its reason beside it.
void Tune(grpc::ServerBuilder* builder) {
  // Notice a dead agent within 40 s, and let agents ping about every 10 s.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                              static_cast<int>(kConnectionAgeNanos / kMillisecondNanos));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 30'000);
  // An agent needs one stream and an occasional call.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 16);
  builder->SetMaxReceiveMessageSize(kAttachMaxAgentMessage);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8192);
  // Windows that grow by themselves only add memory: the agents' credit limits what is in flight.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // A handshake takes milliseconds on a network that works. TLS and HTTP/2's first frame both have
  // to come in this time.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
}

}  // namespace

// Members stand in the order of construction; Stop() undoes it.
struct Server::Impl {
  Impl(const Clock* c, Log* l) : clock(c), log(l) { log->Export(&metrics); }

  absl::Status StartSupply(const ServerPlan& plan);
  absl::Status StartDispatcher(const ServerPlan& plan);
  absl::Status MakeServices(const ServerPlan& plan);
  absl::Status OpenDoor(const ServerPlan& plan);
  absl::Status StartGrpc(const ServerPlan& plan);
  absl::Status StartHttp(const ServerPlan& plan);
  void StartReloading(const ServerPlan& plan, Reloading reloading);
  // For operators, who may come before the reloader does.
  void Ask(std::string cause, Reloader::Done done);
  std::string ReloadProblem() const;
  std::vector<std::string> NeedsRestart() const;
  std::string Summary() const;
  absl::Status Alive() const;
  absl::Status Healthy();
  absl::Status Ready() const;
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
  std::unique_ptr<grpc::Service> attach_service;
  std::unique_ptr<AdminAudit> audit;
  std::atomic<bool> allow_recording{false};
  OpenCalls open_calls;
  UnknownCalls unknown_calls;
  std::unique_ptr<Reconfigurer> reconfigurer;
  // Null when the server learns of no new configuration, and at first.
  std::unique_ptr<Reloader> reloader_owned;
  std::atomic<Reloader*> reloader{nullptr};
  std::unique_ptr<grpc::Service> admin_service;
  std::unique_ptr<Door> door;
  std::unique_ptr<DoorProbe> door_probe;
  std::unique_ptr<ServingCredentials> credentials;
  std::unique_ptr<GrpcDoor> grpc_door;
  std::unique_ptr<grpc::Server> grpc_server;
  std::unique_ptr<HttpServer> http;
  bool serving = false;  // as grpc.health.v1 was told
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

absl::Status Server::Impl::MakeServices(const ServerPlan& plan) {
  absl::StatusOr<std::unique_ptr<AdminAudit>> audited = AdminAudit::Open(
      plan.config.audit_log(),
      plan.config.log().format() == config::v1::LOG_FORMAT_JSON ? LogFormat::kJson
                                                                : LogFormat::kLogfmt,
      clock, log);
  if (!audited.ok()) return plan.locations.At("audit_log", audited.status());
  audit = *std::move(audited);
  allow_recording = plan.config.allow_recording();
  attach_service = MakeAttachService(gate.get(), loop.get(), protocols.get());
  admin_service = MakeAdminService(
      {.gate = gate.get(),
       .loop = loop.get(),
       .dispatcher = dispatcher.get(),
       .protocols = protocols.get(),
       .supply = supply.get(),
       .changes = class_changes.get(),
       .log = log,
       .audit = audit.get(),
       .open_calls = &open_calls,
       .reload = [this](Reloader::Done done) { Ask(Reloader::kOperator, std::move(done)); },
       .reload_problem = [this] { return ReloadProblem(); },
       .needs_restart = [this] { return NeedsRestart(); },
       .allow_recording = &allow_recording});
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
  door_probe = std::make_unique<DoorProbe>([raw = door.get()] { return raw->Knock(); }, clock);
  return absl::OkStatus();
}

absl::Status Server::Impl::StartGrpc(const ServerPlan& plan) {
  if (absl::Status possible = CheckThreadsForGrpc(); !possible.ok()) return possible;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  if (absl::Status made = MakeServices(plan); !made.ok()) return made;
  if (absl::Status opened = OpenDoor(plan); !opened.ok()) return opened;
  grpc::ServerBuilder builder;
  Tune(&builder);
  credentials = std::make_unique<ServingCredentials>(plan.material);
  grpc_door = std::make_unique<GrpcDoor>(&builder, credentials->grpc(), gate.get(), door.get());
  builder.experimental().SetInterceptorCreators(
      AdmitForeignCalls(gate.get(), &open_calls,
                        MethodsIn({v1::AgentMessage::descriptor()->file(),
                                   v1::ListAgentsRequest::descriptor()->file()})));
  builder.RegisterCallbackGenericService(&unknown_calls);
  builder.RegisterService(attach_service.get());
  builder.RegisterService(admin_service.get());
  grpc_server = builder.BuildAndStart();
  if (grpc_server == nullptr) return absl::InternalError("gRPC does not start");
  if (absl::Status status = door->Start(grpc_door->receive()); !status.ok()) return status;
  grpc_server->GetHealthCheckService()->SetServingStatus(false);  // until a pool is ready
  return absl::OkStatus();
}

absl::Status Server::Impl::StartHttp(const ServerPlan& plan) {
  if (plan.config.metrics().empty()) return absl::OkStatus();
  HttpServer::Options options;
  options.address = plan.config.metrics();
  options.healthy = [this] { return Healthy(); };
  options.ready = [this] { return Ready(); };
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
  reconfigurer =
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
  reloader_owned =
      std::make_unique<Reloader>(std::move(reloading.load), std::move(reloading.config_path), plan,
                                 Reloader::Parts{.gate = gate.get(),
                                                 .door = door.get(),
                                                 .reconfigurer = reconfigurer.get(),
                                                 .loop = loop.get(),
                                                 .protocols = protocols.get(),
                                                 .open_calls = &open_calls,
                                                 .credentials = credentials.get(),
                                                 .certificate_end = certificate_end,
                                                 .log = log},
                                 clock, &metrics);
  reloader = reloader_owned.get();
}

void Server::Impl::Ask(std::string cause, Reloader::Done done) {
  if (Reloader* const one = reloader) return one->Ask(std::move(cause), std::move(done));
  done(absl::UnavailableError("reload: the server cannot take a new configuration now"));
}

std::string Server::Impl::ReloadProblem() const {
  const Reloader* const one = reloader;
  return one == nullptr ? "" : one->problem();
}

std::vector<std::string> Server::Impl::NeedsRestart() const {
  const Reloader* const one = reloader;
  return one == nullptr ? std::vector<std::string>() : one->needs_restart();
}

absl::Status Server::Impl::Alive() const {
  const int64_t silent = clock->NowNanos() - loop->last_step_nanos();
  if (silent < kStalledNanos) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the dispatcher has not run for ", silent / kSecondNanos, " s"));
}

absl::Status Server::Impl::Healthy() {
  absl::Status alive = Alive();
  return alive.ok() ? door_probe->Check() : alive;
}

// The server is ready when one pool serves. The states of the other pools say what they lack.
absl::Status Server::Impl::Ready() const {
  switch (protocols->standing()) {
    case Protocols::Standing::kServing:
      break;
    case Protocols::Standing::kDraining:
      return absl::UnavailableError("the server drains; entropyctl drain --end ends that");
    case Protocols::Standing::kStopping:
      return absl::UnavailableError("the server stops");
  }
  if (clock->WallTime() >= server_metrics->certificate_end()) {
    return absl::UnavailableError(absl::StrCat(
        "the server's certificate expired at ",
        absl::FormatTime(server_metrics->certificate_end(), absl::UTCTimeZone()),
        ", so nobody new gets in; put a new one in its place: the server takes it at once"));
  }
  std::vector<std::string> reasons;
  for (const v1::Pool& pool : supply->ListPools()) {
    if (pool.ready()) return absl::OkStatus();
    reasons.push_back(absl::StrCat(pool.name(), ": ", pool.reason()));
  }
  return absl::UnavailableError(absl::StrCat("no pool is ready: ", absl::StrJoin(reasons, "; ")));
}

std::string Server::Impl::Summary() const {
  if (absl::Status alive = Alive(); !alive.ok()) return std::string(alive.message());
  std::vector<std::string> parts;
  if (protocols->standing() == Protocols::Standing::kDraining) {
    parts.emplace_back("drains, until entropyctl drain --end");
  }
  if (protocols->standing() == Protocols::Standing::kStopping) parts.emplace_back("stops");
  size_t ready = 0;
  std::string lacks;
  for (const Pool* pool : supply->pools()) {
    const PoolState state = pool->State();
    if (state.ready()) {
      ++ready;
    } else {
      absl::StrAppend(&lacks, "; ", pool->name(), ": ", state.Text());
    }
  }
  parts.push_back(absl::StrCat(ready, " of ", supply->pools().size(),
                               ready == 1 ? " pools is ready" : " pools are ready", lacks));
  if (const std::string problem = ReloadProblem(); !problem.empty()) {
    parts.push_back(absl::StrCat("not in use, as a file is bad: ", problem));
  }
  return absl::StrJoin(parts, "; ");
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

absl::Status Server::Alive() const { return impl_->Alive(); }
std::string Server::Summary() const { return impl_->Summary(); }

void Server::Reload(std::string cause, std::function<void()> done) {
  impl_->Ask(std::move(cause), [done = std::move(done)](const Reloader::Outcome&) { done(); });
}

bool Server::reload_awaited() const {
  return impl_->reloader_owned != nullptr && impl_->reloader_owned->awaited();
}

void Server::Tick() {
  if (impl_->reloader_owned != nullptr) impl_->reloader_owned->Tick();
  impl_->EndExpired();
  impl_->door->EndShutOut();
  const bool ready = impl_->Ready().ok();
  if (ready == impl_->serving) return;
  impl_->serving = ready;
  impl_->grpc_server->GetHealthCheckService()->SetServingStatus(ready);
}

bool Server::Stop() {
  Impl& impl = *impl_;
  if (std::exchange(impl.stopped, true)) return impl.supply == nullptr || impl.supply->Stop();
  if (impl.reloader_owned != nullptr) impl.reloader_owned->Stop();
  if (impl.grpc_server != nullptr) {
    impl.grpc_server->GetHealthCheckService()->Shutdown();
    const int64_t deadline = impl.clock->NowNanos() + kStopDrainNanos;
    impl.loop->RunAndWait(
        [&impl, deadline](int64_t now_nanos) { impl.protocols->Stop(now_nanos, deadline); });
    impl.WaitForSessions(deadline + kStopGraceNanos / 2);
    impl.supply->Stop();  // ends the calls that wait for a source
    impl.http.reset();    // its probe would wait for the door
    impl.door->Stop();
    impl.grpc_server->Shutdown(std::chrono::system_clock::now() +
                               std::chrono::nanoseconds(kStopGraceNanos));
    impl.grpc_server->Wait();
  }
  impl.http.reset();
  impl.grpc_server.reset();
  impl.grpc_door.reset();
  impl.credentials.reset();
  impl.door.reset();
  impl.admin_service.reset();
  impl.attach_service.reset();
  const bool ended = impl.supply == nullptr || impl.supply->Stop();
  impl.loop.reset();
  impl.protocols.reset();
  impl.dispatcher.reset();
  return ended;
}

}  // namespace entropyd
