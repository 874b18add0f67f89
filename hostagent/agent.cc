#include "hostagent/agent.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/tls.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/host_id.h"
#include "hostagent/loop/ask.h"

namespace entropyd {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Buffers age and gauges are refreshed once a second, so a heartbeat older than a few is no delay.
constexpr int64_t kTickNanos = kSecond;
constexpr int64_t kHangNanos = 10 * kSecond;
// The process is to be gone 2 s after SIGTERM; gRPC and HTTP need a little of that.
constexpr int64_t kStopNanos = kSecond;
constexpr int64_t kStopCheckNanos = kSecond / 100;
constexpr char kGuestPage[] = "/metrics/guests";

}  // namespace

absl::Status Agent::Check(const config::v1::HostAgent& config, const config::Locations& locations,
                          const Clock* clock) {
  if (auto settings = ResolveAgentConfig(config, locations); !settings.ok()) {
    return settings.status();
  }
  auto material = tls::LoadMaterial(config.tls().cert(), config.tls().key(), config.tls().ca(), "",
                                    clock->WallTime());
  return material.status();
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(const config::v1::HostAgent& config,
                                                     const config::Locations& locations,
                                                     const Clock* clock, Log* log,
                                                     Metrics* metrics) {
  if (auto status = Check(config, locations, clock); !status.ok()) return status;
  auto settings = ResolveAgentConfig(config, locations);
  if (!settings.ok()) return settings.status();
  std::unique_ptr<Agent> agent(new Agent(config, *std::move(settings), clock, log, metrics));
  if (auto status = agent->Open(config); !status.ok()) return status;
  return agent;
}

Agent::Agent(const config::v1::HostAgent& config, AgentSettings settings, const Clock* clock,
             Log* log, Metrics* metrics)
    : settings_(std::move(settings)),
      clock_(clock),
      log_(log),
      started_at_(clock->NowNanos()),
      metrics_(metrics),
      control_path_(config.control()),
      state_dir_(config.state_dir()),
      http_address_(config.metrics()),
      upstream_wake_(this) {}

absl::Status Agent::Open(const config::v1::HostAgent& config) {
  auto host_id = LoadOrCreateHostId(config.state_dir());
  if (!host_id.ok()) return host_id.status();
  host_id_ = *std::move(host_id);
  auto loop = EventLoop::Create(clock_);
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  auto arena = SecretArena::Create(
      ServedHost::ArenaBytes(settings_),
      config.strict_memory() ? SecretArena::Locking::kRequired : SecretArena::Locking::kBestEffort);
  if (!arena.ok()) return arena.status();
  arena_ = *std::move(arena);

  std::vector<std::string> classes;
  for (const AgentSettings::Class& c : settings_.classes) classes.push_back(c.name);
  agent_metrics_ = std::make_unique<AgentMetrics>(metrics_, classes);
  auto host = ServedHost::Create(settings_, loop_.get(), arena_.get(), log_, agent_metrics_.get());
  if (!host.ok()) return host.status();
  host_ = *std::move(host);

  auto sockets = LoadGuestSockets(state_dir_);
  if (!sockets.ok()) return sockets.status();
  host_->endpoints()->Restore(*sockets);
  if (auto status = StartIdentities(config.libvirt_dir()); !status.ok()) return status;

  Upstream::Options options;
  options.servers.assign(config.servers().begin(), config.servers().end());
  options.tls = config.tls();
  options.host_id = host_id_;
  Upstream::Told told;
  told.arrival = [this](size_t i) { host_->of_class(i)->OnArrival(); };
  told.state = [this](size_t i, const UpstreamState& state) { host_->OnUpstream(i, state); };
  auto upstream =
      Upstream::Create(options, host_->buffers(), std::move(told), clock_, log_, metrics_);
  if (!upstream.ok()) return upstream.status();
  upstream_ = *std::move(upstream);
  upstream_timer_ = std::make_unique<Timer>(loop_.get(), [this] { ProcessUpstream(); });
  certificate_ = std::make_unique<CertificateWatch>(config.tls(), clock_, log_, metrics_);
  upstream_->Suspend();  // a predecessor may be attached
  if (auto watch = loop_->Watch(upstream_->wake_fd(), EPOLLIN, &upstream_wake_); !watch.ok()) {
    return watch.status();
  }
  loop_->SetAfterBatch([this] { AfterBatch(); });
  Tick();
  return absl::OkStatus();
}

absl::Status Agent::StartIdentities(const std::string& libvirt_dir) {
  const bool wanted = std::any_of(
      settings_.listeners.begin(), settings_.listeners.end(),
      [](const auto& listener) { return listener.identify != config::v1::IDENTIFY_NONE; });
  if (!wanted) return absl::OkStatus();
  auto identities = IdentityThread::Start(
      libvirt_dir,
      [this](std::vector<IdentityNews> news) {
        loop_->Post([this, news = std::move(news)] { host_->connections()->OnIdentities(news); });
      },
      log_);
  if (!identities.ok()) return identities.status();
  identities_ = *std::move(identities);
  host_->assignment()->SetIdentifier(identities_.get());
  return absl::OkStatus();
}

absl::Status Agent::OpenDoors() {
  auto control = ControlServer::Start(control_path_, state_dir_, loop_.get(), this);
  if (!control.ok()) return control.status();
  control_ = *std::move(control);
  if (!http_address_.empty()) {
    HttpServer::Options options;
    options.address = http_address_;
    options.healthy = [this] { return Healthy(); };
    options.ready = [this] { return Ready(); };
    if (settings_.guest_metrics > 0) options.pages[kGuestPage] = [this] { return GuestMetrics(); };
    auto http = HttpServer::Start(options, metrics_);
    if (!http.ok()) {
      control_.reset();
      return http.status();
    }
    http_ = *std::move(http);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Agent::GuestMetrics() const {
  auto guests =
      Ask<std::vector<GuestSeries>>(loop_.get(), [this] { return host_->status().Series(); });
  if (!guests.ok()) return guests.status();
  return GuestMetricsText(*std::move(guests), settings_.guest_metrics);
}

Agent::~Agent() {
  // Those that other threads work in go first.
  http_.reset();
  control_.reset();
}

absl::Status Agent::Run() {
  loop_->Run();
  return ended_;
}

void Agent::AfterBatch() {
  host_->Serve([this](size_t i) {
    upstream_->Kick(i);
    upstream_moved_ = true;
  });
  if (std::exchange(upstream_moved_, false)) upstream_timer_->Set(upstream_->next_deadline_nanos());
}

void Agent::ProcessUpstream() {
  upstream_->Process();
  upstream_moved_ = true;
  if (upstream_->connected()) was_attached_.store(true, std::memory_order_relaxed);
}

void Agent::Tick() {
  host_->Tick();
  upstream_moved_ = true;
  if (lingering_) DiscardAll();  // what its server had promised may have come since
  if (certificate_->Renewed()) upstream_->CertificateRenewed();
  agent_metrics_->memory_locked.Set(arena_->locked() ? 1 : 0);
  loop_->AddTimer(loop_->now_nanos() + kTickNanos, [this] { Tick(); });
}

void Agent::DiscardAll() {
  for (ClassBuffer* buffer : host_->buffers()) buffer->Discard();
}

void Agent::Stop() {
  loop_->Post([this] { BeginStop(); });
}

void Agent::BeginStop() {
  if (stopping_) return;
  stopping_ = true;
  log_->Info("agent.stopping", {{"guests", host_->connections()->size()}});
  host_->StopListening();
  // Whoever stops this process means the one that it was replaced by, and may not know of it.
  if (handed_over() && successor_ != nullptr) return successor_->Terminate();
  FinishStop(loop_->now_nanos() + kStopNanos);
}

void Agent::FinishStop(int64_t deadline_nanos) {
  const int64_t now = loop_->now_nanos();
  if (!host_->connections()->undelivered() || now >= deadline_nanos) return loop_->Stop();
  loop_->AddTimer(now + kStopCheckNanos, [this, deadline_nanos] { FinishStop(deadline_nanos); });
}

absl::Status Agent::Healthy() const {
  const int64_t silent = clock_->NowNanos() - loop_->heartbeat_nanos();
  if (silent < kHangNanos) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the event loop has not turned for ", silent / kSecond, " s"));
}

absl::Status Agent::Ready() const {
  if (lingering_.load(std::memory_order_relaxed)) {
    return absl::UnavailableError("another process has taken the guests over");
  }
  if (was_attached_.load(std::memory_order_relaxed)) return absl::OkStatus();
  for (size_t i = 0; i < settings_.classes.size(); ++i) {
    if (agent_metrics_->of_class(i)->buffer_level.Get() > 0) return absl::OkStatus();
  }
  return absl::UnavailableError("not yet attached to a server, and nothing buffered");
}

void Agent::FillStatus(v1::GetStatusResponse* status) const {
  status->set_version(ENTROPYD_VERSION);
  status->set_host_id(absl::BytesToHexString(host_id_));
  status->set_uptime_seconds(static_cast<double>(clock_->NowNanos() - started_at_) / kSecond);
  status->set_memory_locked(arena_->locked());
  host_->status().Fill(status);
  upstream_->FillStatus(status);
  certificate_->FillStatus(status);
  status->set_reload_problem(std::string(reload_problem_.message()));
}

std::string Agent::Summary() const {
  v1::GetStatusResponse status;
  upstream_->FillStatus(&status);
  const size_t guests = host_->connections()->size();
  std::string summary =
      absl::StrCat(status.connected() ? "attached to " : "NOT attached to ", status.server(), "; ",
                   guests, guests == 1 ? " guest" : " guests");
  for (const ServedClass* served : host_->classes()) {
    const LocalFallback::Mode mode = served->fallback().mode();
    if (mode == LocalFallback::Mode::kUpstream) continue;
    absl::StrAppend(&summary, "; ", served->name(), " ", LocalFallback::ModeName(mode));
  }
  return summary;
}

void Agent::FillGuests(v1::ListGuestsResponse* guests) const { host_->status().FillGuests(guests); }

}  // namespace entropyd
