#include "hostagent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "base/process/state_dir.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/handover/protocol.h"
#include "hostagent/host_id.h"

namespace entropyd {
namespace {

// Buffers age, gauges are refreshed, files are looked at.
constexpr int64_t kTickNanos = kSecondNanos;
constexpr char kGuestPage[] = "/metrics/guests";

// The predecessor waits somewhat longer than this for Request.
constexpr int64_t kAttachPatience = 15 * kSecondNanos;
// After the agent is attached. A class that the server serves slowly, or not now, is no reason to
// wait. Its guests would wait with the predecessor, too.
constexpr int64_t kFillPatience = kSecondNanos;
// A stop, or the predecessor's end, is noticed this late at most.
constexpr int64_t kFillTurn = 10 * kMillisecondNanos;

void TellEmpty(const std::string& path, absl::string_view remedy, Log* log) {
  log->Warning("state.empty", {{"path", path}, {"remedy", remedy}});
}

}  // namespace

// --- made ----------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(const config::v1::HostAgent& config,
                                                     const config::Locations& locations,
                                                     const Clock* clock, Log* log,
                                                     Metrics* metrics) {
  auto settings = ResolveAgentConfig(config, locations);
  if (!settings.ok()) return settings.status();
  for (const std::string& warning : settings->warnings) {
    log->Warning("config.warning", {{"reason", warning}});
  }
  if (auto status = CheckAgentState(config); !status.ok()) return status;
  std::unique_ptr<Agent> agent(new Agent(*std::move(settings), clock, log));
  if (auto status = agent->Open(config, metrics); !status.ok()) return status;
  return agent;
}

Agent::Agent(AgentSettings settings, const Clock* clock, Log* log)
    : settings_(std::move(settings)), clock_(clock), log_(log), phase_(log) {}

Agent::~Agent() {
  // Objects that other threads work in go first.
  operator_ports_.reset();
}

absl::Status Agent::Open(const config::v1::HostAgent& config, Metrics* metrics) {
  bool was_empty = false;
  auto host_id = LoadOrCreateHostId(config.state_dir(), &was_empty);
  if (!host_id.ok()) return host_id.status();
  if (was_empty) {
    TellEmpty(absl::StrCat(config.state_dir(), "/host_id"),
              "none needed: this host has a new identity", log_);
  }
  host_id_ = *std::move(host_id);
  auto loop = EventLoop::Create(clock_);
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  if (auto status = OpenGuests(config, metrics); !status.ok()) return status;
  if (auto status = host_->StartIdentities(settings_, config.libvirt_dir()); !status.ok()) {
    return status;
  }
  if (auto status = OpenUpstream(config, metrics); !status.ok()) return status;
  loop_->SetAfterTurn([this] { AfterTurn(); });
  tick_ = std::make_unique<Timer>(loop_.get(), [this] { Tick(); });
  farewell_ = std::make_unique<Farewell>(loop_.get(), host_->connections());
  OpenAnswers(config, metrics);
  Tick();
  return absl::OkStatus();
}

absl::Status Agent::OpenGuests(const config::v1::HostAgent& config, Metrics* metrics) {
  auto arena = SecretArena::Create(
      ServedHost::ArenaBytes(settings_),
      config.strict_memory() ? SecretArena::Locking::kRequired : SecretArena::Locking::kBestEffort);
  if (!arena.ok()) return arena.status();
  arena_ = *std::move(arena);
  std::vector<std::string> classes;
  for (const AgentSettings::Class& c : settings_.classes) classes.push_back(c.name);
  agent_metrics_ = std::make_unique<AgentMetrics>(metrics, classes);
  loop_->CountTurns(&agent_metrics_->turns);
  auto host = ServedHost::Create(settings_, loop_.get(), arena_.get(), log_, agent_metrics_.get());
  if (!host.ok()) return host.status();
  host_ = *std::move(host);
  auto guard = CloneGuard::Create({});
  if (!guard.ok()) return guard.status();
  host_->SetCloneGuard(*std::move(guard));
  auto sockets = LoadGuestSockets(config.state_dir());
  if (!sockets.ok()) return sockets.status();
  host_->endpoints()->LearnGroups(*sockets);
  host_->endpoints()->Restore(*sockets);
  return absl::OkStatus();
}

absl::Status Agent::OpenUpstream(const config::v1::HostAgent& config, Metrics* metrics) {
  Upstream::Options options;
  options.servers.assign(config.servers().begin(), config.servers().end());
  options.tls = config.tls();
  options.host_id = host_id_;
  addresses_ = std::make_unique<AddressBook>(config.state_dir(), options.servers, log_);
  options.dial = NamedDial({config.tls(), clock_, log_, addresses_.get()});
  auto upstream = Upstream::Create(options, host_->filled(), clock_, log_, metrics);
  if (!upstream.ok()) return upstream.status();
  upstream_ = std::make_unique<UpstreamOnLoop>(*std::move(upstream), config.tls(), clock_,
                                               loop_.get(), log_, metrics);
  return upstream_->Watch();
}

void Agent::OpenAnswers(const config::v1::HostAgent& config, Metrics* metrics) {
  replacement_ = std::make_unique<Replacement>(config, &phase_, &agent_metrics_->reload_failed,
                                               clock_, loop_.get(), log_);
  answers_ = std::make_unique<AgentAnswers>(
      AgentAnswers::Parts{&phase_, clock_, loop_.get(), arena_.get(), agent_metrics_.get(),
                          host_.get(), upstream_.get(), replacement_.get()},
      settings_, host_id_);
  operator_ports_ = std::make_unique<OperatorPorts>(OperatorPortsOptions(config), loop_.get(),
                                                    answers_.get(), metrics, log_);
  answers_->SetPorts(operator_ports_.get());
}

OperatorPorts::Options Agent::OperatorPortsOptions(const config::v1::HostAgent& config) {
  OperatorPorts::Options options;
  options.control = settings_.control;
  options.state_dir = config.state_dir();
  options.http.address = config.metrics();
  options.http.healthy = [this] { return answers_->Healthy(); };
  options.http.ready = [this] { return answers_->Ready(); };
  if (settings_.guest_metrics > 0) {
    options.http.pages[kGuestPage] = [this] { return answers_->GuestMetrics(); };
  }
  return options;
}

// --- phases: started, alone or as a successor ----------------------------------------------------

absl::Status Agent::CheckNotStopped(absl::string_view asked) const {
  if (!Ending(phase())) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat(asked, ": this process was told to stop"));
}

absl::Status Agent::Start(StartOptions options) {
  options_ = std::move(options);
  succession_ = std::make_unique<Succession>(
      Succession::Options{HandoverPath(settings_.control), options_.successor, options_.linger,
                          options_.program},
      loop_.get(), host_->state(), this, log_);
  replacement_->Begin(
      {options_.config_path, settings_.control, options_.reloading, options_.reload_failed},
      succession_.get());
  if (!options_.take_over) return StartFresh();
  auto link = HandoverLink::Connect(HandoverPath(settings_.control));
  if (link.ok()) return UnlessStopped(StartFrom(*std::move(link)));
  if (!absl::IsNotFound(link.status())) return UnlessStopped(link.status());
  if (UnlessStopped(link.status()) == link.status()) {
    log_->Info("handover.nobody",
               {{"reason", link.status()}, {"remedy", "starting normally"}, {"pid", getpid()}});
  }
  return StartFresh();
}

// There may be no predecessor any more because all were told to stop. Then this process was told,
// too, and may not have read that yet.
absl::Status Agent::UnlessStopped(const absl::Status& failure) {
  if (failure.ok()) return failure;
  // One turn reads the signal, the next one obeys it.
  loop_->RunOnce(0);
  loop_->RunOnce(0);
  const absl::Status stopped = CheckNotStopped("take over");
  return stopped.ok() ? failure : stopped;
}

absl::Status Agent::StartFresh() {
  if (auto status = CheckNotStopped("start"); !status.ok()) return status;
  // A predecessor would have them, and the file would be written again.
  const std::string path = GuestSocketsPath(replacement_->in_use().state_dir());
  if (IsEmptyFile(path)) {
    TellEmpty(path, "make the sockets of single guests anew: entropyctl guests add", log_);
  }
  if (auto status = phase_.Enter(PhaseEvent::kOpenPorts); !status.ok()) return status;
  if (auto status = operator_ports_->OpenControl(); !status.ok()) return status;
  if (auto status = succession_->Open(); !status.ok()) return status;
  if (auto status = host_->endpoints()->Inherit(std::move(options_.inherited)); !status.ok())
    return status;
  if (auto status = host_->Listen(); !status.ok()) return status;
  if (auto status = phase_.Enter(PhaseEvent::kServe); !status.ok()) return status;
  addresses_->Own();
  upstream_->get()->Resume();
  options_.serving();
  // Guests do not wait for an address that only operators need.
  operator_ports_->OpenInTheEnd(options_.opened);
  return absl::OkStatus();
}

absl::Status Agent::StartFrom(std::unique_ptr<HandoverLink> predecessor) {
  if (auto status = CheckNotStopped("take over"); !status.ok()) return status;
  // The process that has the guests may still be attached, and this one could not attach.
  if (auto status = upstream_->certificate_problem(); !status.ok()) return status;
  if (auto status = phase_.Enter(PhaseEvent::kTakeOver); !status.ok()) return status;
  auto taken =
      TakeOver(std::move(predecessor), host_->state(),
               [this](const auto& offer, const auto& offered) { return Fill(offer, offered); });
  if (!taken.ok()) return taken.status();
  if (auto status = phase_.Enter(PhaseEvent::kServe); !status.ok()) return status;
  addresses_->Own();
  options_.serving();
  predecessor_ = std::make_unique<Predecessor>(std::move(taken->link), loop_.get(),
                                               [this] { PredecessorGone(); });
  log_->Info("handover.taken", {{"from_version", taken->version},
                                {"guests", taken->connections},
                                {"pause_ms", absl::ToInt64Milliseconds(taken->pause)},
                                {"pid", getpid()}});
  succession_->Adopt(std::move(taken->listener));
  return absl::OkStatus();
}

absl::Status Agent::Fill(const handover::v1::Offer& offer,
                         const std::function<absl::Status()>& offered) {
  // Once this process has the guests, it is too late to refuse. A giver of an older version does
  // not say which port it will free.
  if (offer.has_http_port()) {
    const absl::Status status = operator_ports_->CheckHttp(static_cast<int>(offer.http_port()));
    if (!status.ok())
      return absl::Status(status.code(), absl::StrCat("take over: ", status.message()));
  }
  host_->state()->Expect(offer);
  upstream_->get()->Resume();
  const int64_t began = clock_->NowNanos();
  int64_t attached_at = kNever;
  while (true) {
    loop_->RunOnce(kFillTurn);
    const int64_t now = clock_->NowNanos();
    if (auto status = CheckNotStopped("take over"); !status.ok()) return status;
    // The process that has the guests may still be attached, and this one could not attach.
    if (auto status = upstream_->certificate_problem(); !status.ok()) return status;
    if (auto status = offered(); !status.ok()) return status;
    if (upstream_->get()->connected()) {
      attached_at = std::min(attached_at, now);
      if (host_->state()->Filled() || now - attached_at >= kFillPatience) return StillWanted();
    } else if (now - began >= kAttachPatience) {
      return NotAttached();
    }
  }
}

// A signal that the last turn has read is obeyed by the next one.
absl::Status Agent::StillWanted() {
  loop_->RunOnce(0);
  return CheckNotStopped("take over");
}

absl::Status Agent::NotAttached() const {
  v1::GetStatusResponse status;
  upstream_->FillStatus(&status);
  return absl::DeadlineExceededError(
      absl::StrCat("take over: not attached to a server after ", kAttachPatience / kSecondNanos,
                   " s: ", status.last_error().empty() ? "no answer" : status.last_error()));
}

// Guests are served meanwhile. An address that cannot be opened is no reason to end.
void Agent::PredecessorGone() {
  predecessor_.reset();
  if (!phase_.Enter(PhaseEvent::kOpenPorts).ok()) return;
  operator_ports_->OpenInTheEnd(options_.opened);
}

// --- phases: succeeded ---------------------------------------------------------------------------

void Agent::ReplaceFailed(Succession::Purpose purpose, const absl::Status& why) {
  replacement_->Failed(purpose, why);
}

absl::Status Agent::LeaveServer() {
  if (auto status = phase_.Enter(PhaseEvent::kOffer); !status.ok()) return status;
  upstream_->get()->Suspend();
  return absl::OkStatus();
}

void Agent::ReturnToServer() {
  if (phase_.Enter(PhaseEvent::kWithdraw).ok()) upstream_->get()->Resume();
}

void Agent::Given() {
  if (auto status = phase_.Enter(PhaseEvent::kGo); !status.ok()) {
    // They are another process's all the same: this one cannot serve on.
    ended_ = status;
    return loop_->Stop();
  }
  // The addresses belong to the successor from now on.
  predecessor_.reset();
  operator_ports_->GiveUp();
}

void Agent::Released() {
  if (Ending(phase())) return succession_->LetGo();
  if (!phase_.Enter(options_.linger ? PhaseEvent::kLinger : PhaseEvent::kLeave).ok()) return;
  options_.linger ? Linger() : loop_->Stop();
}

// A service manager that restarts whatever ends would start this program again, and it would take
// the guests back. In Kubernetes this would be the old pod, which stands beside the new one until
// somebody deletes it. So this process stays, healthy and not ready, and holds nothing.
void Agent::Linger() {
  log_->Info("agent.lingering",
             {{"reason", "the guests were handed over"}, {"until", "SIGTERM"}, {"pid", getpid()}});
  DiscardAll();
  host_->StopIdentities();
  // A child listens on the same address. Another pod has an address of its own, so here the probes
  // go on.
  succession_->has_successor() ? operator_ports_->Close() : operator_ports_->CloseControl();
  options_.lingering();
  succession_->LetGo();
}

void Agent::SuccessorEnded(const absl::Status& why) {
  const bool asked = Ending(phase());
  if (!phase_.Enter(PhaseEvent::kSuccessorEnded).ok()) return;
  if (!asked) {
    ended_ = why;
    log_->Error("linger.ended", {{"reason", why}, {"remedy", "start the agent again"}});
  }
  loop_->Stop();
}

// --- phases: stopped -----------------------------------------------------------------------------

void Agent::Stop() {
  loop_->Post([this] { BeginStop(); });
}

void Agent::BeginStop() {
  const bool again = Ending(phase());
  const bool given = handed_over();
  if (!phase_.Enter(PhaseEvent::kStop).ok() || again) return;
  log_->Info("agent.stopping", {{"guests", host_->connections()->size()}, {"pid", getpid()}});
  host_->StopListening();
  predecessor_.reset();
  operator_ports_->GiveUp();
  replacement_->GiveUp(phase_.Check(PhaseEvent::kReplace));
  if (succession_ != nullptr) {
    succession_->Stop(phase_.Check(PhaseEvent::kReplace));
    // A user who stops this process means its successor, too, and may not know of it.
    if (given && succession_->has_successor()) return;
  }
  farewell_->Begin();
}

absl::Status Agent::Run() {
  loop_->Run();
  return ended_;
}

// --- turning -------------------------------------------------------------------------------------

void Agent::AfterTurn() {
  host_->Serve();
  upstream_->AfterTurn();
}

void Agent::Tick() {
  host_->Tick();
  // Bytes that its server had promised may have come.
  if (phase() == Phase::kLingering) DiscardAll();
  upstream_->Tick();
  if (operator_ports_->MakeLostAnew()) agent_metrics_->lost_sockets.Add(1);
  if (succession_ != nullptr && succession_->MakeLostAnew()) agent_metrics_->lost_sockets.Add(1);
  replacement_->Tick();
  agent_metrics_->memory_locked.Set(arena_->locked() ? 1 : 0);
  tick_->Set(loop_->now_nanos() + kTickNanos);
}

void Agent::DiscardAll() {
  for (ServedClass* served : host_->classes()) served->buffer()->Discard();
}

}  // namespace entropyd
