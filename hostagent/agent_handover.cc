// The agent as successor, and as one that is succeeded.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hostagent/agent.h"
#include "hostagent/handover/protocol.h"

namespace entropyd {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMilli;

// The predecessor waits somewhat longer than this for Request.
constexpr int64_t kAttachPatience = 15 * kSecond;
// Once attached: a class that the server serves slowly, or not now, is no reason to wait; the
// guests of that class would wait with the predecessor, too.
constexpr int64_t kFillPatience = 1 * kSecond;
constexpr int64_t kFillTurn = 10 * kMilli;
// The predecessor is gone within this time; the control socket and HTTP wait for it.
constexpr int64_t kExitPatience = 10 * kSecond;
constexpr int64_t kExitCheck = 10 * kMilli;
constexpr int64_t kOpenRetry = 1 * kSecond;
// A successor that has neither taken over nor ended by then never will.
constexpr int64_t kUpgradePatience = 60 * kSecond;

}  // namespace

absl::Status Agent::Start(StartOptions options) {
  options_ = std::move(options);
  if (options_.take_over) {
    auto link = HandoverLink::Connect(HandoverPath(control_path_));
    if (link.ok()) {
      auto taken =
          TakeOver(*std::move(link), guests_.get(),
                   [this](const auto& offer, const auto& offered) { return Fill(offer, offered); });
      if (!taken.ok()) return taken.status();
      Adopt(*std::move(taken));
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(link.status())) return link.status();
    log_->Info("handover.nobody", {{"reason", link.status()}, {"remedy", "starting normally"}});
  }
  return StartFresh();
}

absl::Status Agent::StartFresh() {
  if (auto status = OpenDoors(); !status.ok()) return status;
  auto giver =
      HandoverGiver::Start(HandoverPath(control_path_), loop_.get(), guests_.get(), this, log_);
  if (!giver.ok()) return giver.status();
  giver_ = *std::move(giver);
  if (auto status = guests_->Inherit(std::move(options_.inherited)); !status.ok()) return status;
  if (auto status = guests_->Listen(); !status.ok()) return status;
  upstream_->Resume();
  options_.serving();
  options_.opened();
  return absl::OkStatus();
}

absl::Status Agent::Fill(const handover::v1::Offer& offer,
                         const std::function<absl::Status()>& offered) {
  guests_->Expect(offer);
  upstream_->Resume();
  const int64_t began = clock_->NowNanos();
  int64_t attached_at = 0;
  while (true) {
    loop_->RunOnce(kFillTurn);
    const int64_t now = clock_->NowNanos();
    if (stopping_) return absl::CancelledError("take over: stopped");
    if (auto status = offered(); !status.ok()) return status;
    if (upstream_->connected()) {
      if (attached_at == 0) attached_at = now;
      if (guests_->Filled() || now - attached_at >= kFillPatience) return absl::OkStatus();
    } else if (now - began >= kAttachPatience) {
      v1::GetStatusResponse status;
      upstream_->FillStatus(&status);
      return absl::DeadlineExceededError(
          absl::StrCat("take over: not attached to a server after ", kAttachPatience / kSecond,
                       " s: ", status.last_error().empty() ? "no answer" : status.last_error()));
    }
  }
}

void Agent::Adopt(Taken taken) {
  options_.serving();
  handover::v1::Message message;
  message.mutable_serving();
  taken.link->Send(message, {}, absl::Now() + absl::Seconds(1)).IgnoreError();
  log_->Info("handover.taken", {{"from_version", taken.version},
                                {"guests", taken.connections},
                                {"pause_ms", absl::ToInt64Milliseconds(taken.pause)}});
  auto giver = HandoverGiver::Adopt(HandoverPath(control_path_), std::move(taken.listener),
                                    loop_.get(), guests_.get(), this, log_);
  if (giver.ok()) {
    giver_ = *std::move(giver);
  } else {
    log_->Error("handover.unavailable",
                {{"reason", giver.status()}, {"remedy", "restart before the next upgrade"}});
  }
  predecessor_ = std::move(taken.link);
  AwaitPredecessorsEnd(loop_->now_nanos() + kExitPatience);
}

void Agent::AwaitPredecessorsEnd(int64_t until_nanos) {
  if (predecessor_->TryReceive().ok() && loop_->now_nanos() < until_nanos) {
    loop_->AddTimer(loop_->now_nanos() + kExitCheck,
                    [this, until_nanos] { AwaitPredecessorsEnd(until_nanos); });
    return;
  }
  predecessor_.reset();
  OpenDoorsInTheEnd();
}

// Guests are served meanwhile: whatever is in the way of an address is no reason to end.
void Agent::OpenDoorsInTheEnd() {
  if (stopping_) return;
  if (auto status = OpenDoors(); !status.ok()) {
    log_->Error("agent.doors_closed",
                {{"reason", status}, {"remedy", "free the address; tried again every second"}});
    loop_->AddTimer(loop_->now_nanos() + kOpenRetry, [this] { OpenDoorsInTheEnd(); });
    return;
  }
  options_.opened();
}

void Agent::Upgrade(Upgraded done) { StartSuccessor(Purpose::kUpgrade, std::move(done)); }

// The settings of this process are spread over guests, buffers, streams and metrics. Rather than
// change them one by one and to know a way back for each, the process is replaced by one that was
// never anything else; the handover is what closes no connection and fails as a whole.
void Agent::Reload(Upgraded done) {
  log_->Info("config.reload_begun", {{"config", options_.config_path}});
  options_.reloading();
  if (auto status = CheckReload(); !status.ok()) {
    return ReplacementFailed(Purpose::kReload, status, done);
  }
  StartSuccessor(Purpose::kReload, std::move(done));
}

absl::Status Agent::CheckReload() const {
  if (options_.config_path.empty()) {
    return absl::FailedPreconditionError("reload: this agent was not started from a file");
  }
  config::v1::HostAgent config;
  config::Locations locations;
  absl::Status status = config::Load(options_.config_path, &config, &locations);
  if (status.ok()) status = Check(config, locations, clock_);
  if (!status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), "\n(this is version ", ENTROPYD_VERSION,
                     "; a configuration for another one comes with `entropyctl agent upgrade`)"));
  }
  if (config.control() != control_path_) {
    return absl::FailedPreconditionError(
        locations
            .Error("control",
                   absl::StrCat("the running agent has ", control_path_,
                                ", and its successors find it there: neither a reload nor "
                                "`entropyctl agent upgrade` can change it; stop the agent and "
                                "start it"))
            .message());
  }
  return absl::OkStatus();
}

void Agent::StartSuccessor(Purpose purpose, Upgraded done) {
  absl::Status status;
  if (options_.successor.empty()) {
    status = absl::FailedPreconditionError("upgrade: this agent cannot start another");
  } else if (successor_ != nullptr || stopping_ || handed_over()) {
    status = absl::AbortedError("upgrade: another is under way, or the agent stops");
  } else {
    withdrawn_ = absl::OkStatus();
    // A reload means the program that runs, not the one that a package may have put in its place.
    auto successor = Successor::Spawn(
        options_.successor, loop_.get(),
        [this, purpose](const absl::Status& why) { SuccessorEnded(purpose, why); },
        purpose == Purpose::kReload ? "/proc/self/exe" : "");
    status = successor.status();
    if (successor.ok()) successor_ = *std::move(successor);
  }
  if (!status.ok()) return ReplacementFailed(purpose, status, done);
  upgraded_ = std::move(done);
  log_->Info("upgrade.started", {{"program", options_.successor[0]}, {"pid", successor_->pid()}});
  successor_timer_ = loop_->AddTimer(loop_->now_nanos() + kUpgradePatience, [this] {
    successor_timer_ = EventLoop::kNoTimer;
    successor_->Kill();
  });
}

void Agent::ReplacementFailed(Purpose purpose, const absl::Status& why, const Upgraded& done) {
  if (purpose == Purpose::kReload) {
    reload_problem_ = why;
    agent_metrics_->reload_failed.Set(1);
    log_->Error(
        "config.reload_failed",
        {{"reason", why}, {"remedy", "none needed now: the old configuration stays in use"}});
    options_.reload_failed();
  } else {
    log_->Error("upgrade.failed", {{"reason", why}, {"remedy", "see the new process's messages"}});
  }
  if (done) done(why, "");
}

void Agent::SuccessorEnded(Purpose purpose, const absl::Status& why) {
  loop_->CancelTimer(successor_timer_);
  successor_.reset();
  if (handed_over()) {
    if (!stopping_) {
      ended_ = why;
      log_->Error("linger.ended", {{"reason", why}, {"remedy", "start the agent again"}});
    }
    return loop_->Stop();
  }
  const absl::Status status =
      withdrawn_.ok()
          ? why
          : absl::Status(why.code(), absl::StrCat(withdrawn_.message(), " (", why.message(), ")"));
  ReplacementFailed(purpose, status, std::exchange(upgraded_, nullptr));
}

void Agent::LeaveServer() {
  upstream_->Suspend();
  upstream_moved_ = true;
}

void Agent::ReturnToServer(const absl::Status& why) {
  withdrawn_ = why;
  upstream_->Resume();
}

void Agent::Given(const std::string& version) {
  loop_->CancelTimer(successor_timer_);
  const bool own = successor_ != nullptr && successor_->pid() == giver_->taker();
  if (!options_.linger || !own) successor_.reset();
  if (const Upgraded done = std::exchange(upgraded_, nullptr)) done(absl::OkStatus(), version);
}

void Agent::Released() {
  if (!options_.linger) return loop_->Stop();
  Linger();
}

// A supervisor that restarts whatever ends would start this program again, which would take the
// guests back: in Kubernetes the old pod, beside the new one, until somebody deletes it. So it
// stays, healthy and not ready, and holds nothing.
void Agent::Linger() {
  lingering_ = true;
  log_->Info("agent.lingering", {{"reason", "the guests were handed over"}, {"until", "SIGTERM"}});
  DiscardAll();
  guests_->SetIdentifier(nullptr);
  identities_.reset();
  control_.reset();
  // A child listens on the same address; a pod has one of its own, and its probes go on.
  if (successor_ != nullptr) http_.reset();
  options_.lingering();
  giver_->LetGo();
}

}  // namespace entropyd
