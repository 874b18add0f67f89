#include "hostagent/handover/succession.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace entropyd {

Succession::Succession(Options options, EventLoop* loop, SavedState* guests, Subject* subject,
                       Log* log)
    : options_(std::move(options)),
      loop_(loop),
      guests_(guests),
      subject_(subject),
      log_(log),
      patience_(loop, [this] { successor_->Kill(); }) {}

Succession::~Succession() = default;

absl::Status Succession::Open() {
  auto giver = HandoverGiver::Start(options_.path, loop_, guests_, this, log_);
  if (!giver.ok()) return giver.status();
  giver_ = *std::move(giver);
  return absl::OkStatus();
}

void Succession::Adopt(Listener::HandedOver listener) {
  auto giver = HandoverGiver::Adopt(options_.path, std::move(listener), loop_, guests_, this, log_);
  if (giver.ok()) {
    giver_ = *std::move(giver);
    return;
  }
  problem_ = giver.status();
  log_->Error(
      "handover.unavailable",
      {{"reason", problem_}, {"remedy", "restart before the next upgrade"}, {"pid", getpid()}});
}

absl::Status Succession::CanReplace() const {
  if (options_.command.empty()) {
    return absl::FailedPreconditionError("upgrade or reload: this agent cannot start another");
  }
  if (!problem().ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "upgrade or reload: no other process can take over from this one: ", problem().message(),
        "; restart the agent"));
  }
  return successor_ == nullptr ? absl::OkStatus() : UnderWay();
}

absl::Status Succession::UnderWay() {
  return absl::AbortedError(
      "upgrade or reload: not now: another one is under way; try again in a minute");
}

void Succession::Replace(Purpose purpose, Done done) {
  purpose_ = purpose;
  done_ = std::move(done);
  withdrawn_ = absl::OkStatus();
  auto successor = Successor::Spawn(
      options_.command, loop_, [this](const absl::Status& why) { Ended(why); },
      purpose == Purpose::kReload ? options_.program : "");
  if (!successor.ok()) return Fail(successor.status());
  successor_ = *std::move(successor);
  patience_.Set(loop_->now_nanos() + kReplacePatienceNanos);
  log_->Info("upgrade.started", {{"program", options_.command[0]}, {"pid", successor_->pid()}});
}

void Succession::Ended(const absl::Status& why) {
  patience_.Set(kNever);
  successor_.reset();
  if (given()) return subject_->SuccessorEnded(why);
  // The taker may have told the same reason at its end.
  const bool told = absl::StrContains(why.message(), withdrawn_.message());
  Fail(told ? why
            : absl::Status(why.code(),
                           absl::StrCat(withdrawn_.message(), " (", why.message(), ")")));
}

void Succession::Fail(const absl::Status& why) {
  const Done done = std::exchange(done_, nullptr);
  subject_->ReplaceFailed(purpose_, why);
  if (done) done(why, "");
}

void Succession::Stop(const absl::Status& why) {
  if (giver_ != nullptr) giver_->Refuse(why);
  if (successor_ != nullptr) successor_->Terminate();
  // A successor that has the guests may need a second for them. This process waits for it.
  if (!given()) {
    patience_.Set(kNever);
    successor_.reset();
  }
  if (const Done done = std::exchange(done_, nullptr)) done(why, "");
}

void Succession::ReturnToServer(const absl::Status& why) {
  withdrawn_ = why;
  subject_->ReturnToServer();
}

void Succession::Given(const std::string& version) {
  patience_.Set(kNever);
  const bool own = successor_ != nullptr && successor_->pid() == giver_->taker();
  // Another one was faster. The one that this process has started has nothing to do any more.
  if (successor_ != nullptr && !own) successor_->Terminate();
  if (!options_.linger || !own) successor_.reset();
  subject_->Given();
  if (const Done done = std::exchange(done_, nullptr)) done(absl::OkStatus(), version);
}

}  // namespace entropyd
