#include "hostagent/handover/giver.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hostagent/handover/failure_remedy.h"
#include "hostagent/handover/protocol.h"

namespace entropyd {
namespace {

using handover::v1::Message;

Message Refusal(absl::string_view reason) {
  Message message;
  message.mutable_refusal()->set_reason(std::string(reason));
  return message;
}

}  // namespace

HandoverGiver::HandoverGiver(EventLoop* loop, SavedState* guests, Subject* subject, Log* log)
    : loop_(loop),
      guests_(guests),
      subject_(subject),
      log_(log),
      watch_(loop, this),
      deadline_(loop, [this] { OnDeadline(); }) {}

Listener::Accept HandoverGiver::AcceptPeer() {
  return [this](UniqueFd socket) { Accepted(std::move(socket)); };
}

absl::StatusOr<std::unique_ptr<HandoverGiver>> HandoverGiver::Start(const std::string& path,
                                                                    EventLoop* loop,
                                                                    SavedState* guests,
                                                                    Subject* subject, Log* log) {
  std::unique_ptr<HandoverGiver> giver(new HandoverGiver(loop, guests, subject, log));
  auto listener =
      Listener::Create({path, 0600, ""}, loop, giver->AcceptPeer(), [](const absl::Status&) {});
  if (!listener.ok()) return listener.status();
  giver->listener_ = *std::move(listener);
  return giver;
}

absl::StatusOr<std::unique_ptr<HandoverGiver>> HandoverGiver::Adopt(const std::string& path,
                                                                    Listener::HandedOver socket,
                                                                    EventLoop* loop,
                                                                    SavedState* guests,
                                                                    Subject* subject, Log* log) {
  std::unique_ptr<HandoverGiver> giver(new HandoverGiver(loop, guests, subject, log));
  auto listener = Listener::Adopt(path, std::move(socket), loop, giver->AcceptPeer(),
                                  [](const absl::Status&) {});
  if (!listener.ok()) return listener.status();
  giver->listener_ = *std::move(listener);
  giver->listener_->Own();
  return giver;
}

HandoverGiver::~HandoverGiver() { CloseLink(); }

bool HandoverGiver::MakeLostAnew() {
  if (step_ != Step::kIdle) return false;
  if (!listener_->FileIsLost()) {
    lost_problem_ = absl::OkStatus();
    return false;
  }
  const std::string path = listener_->path();
  const absl::Status before = lost_problem_;
  auto made = Listener::Create({path, 0600, ""}, loop_, AcceptPeer(), [](const absl::Status&) {});
  lost_problem_ = made.status();
  if (lost_problem_.ok() || lost_problem_ != before) LogLost(path, lost_problem_, log_);
  if (made.ok()) listener_ = *std::move(made);
  return before.ok();
}

void HandoverGiver::CloseLink() {
  deadline_.Set(kNever);
  watch_.End();
  link_.reset();
}

void HandoverGiver::SetDeadline(int64_t nanos_from_now) {
  deadline_.Set(loop_->now_nanos() + nanos_from_now);
}

void HandoverGiver::OnDeadline() {
  if (given()) return Release();
  Withdraw(absl::DeadlineExceededError("hand over: the new process made no progress in time"));
}

void HandoverGiver::Accepted(UniqueFd socket) {
  auto link = HandoverLink::Create(std::move(socket));
  if (!link.ok()) {
    log_->Warning("handover.refused", {{"reason", link.status()}, {"pid", getpid()}});
    return;
  }
  absl::Status refused = refused_;
  if (refused.ok() && step_ != Step::kIdle) {
    refused = absl::AbortedError("another handover is under way; try again in a minute");
  }
  if (!refused.ok()) {
    (*link)->Send(Refusal(refused.message()), {}, absl::Now()).IgnoreError();
    return;
  }
  if (!watch_.Begin((*link)->fd(), EPOLLIN).ok()) return;
  link_ = *std::move(link);
  step_ = Step::kBegin;
  SetDeadline(kBeginPatienceNanos);
}

void HandoverGiver::OnEvents(uint32_t) {
  auto received = link_->TryReceive();
  if (!received.ok()) return given() ? Release() : Withdraw(received.status());
  if (received->has_value()) Handle((*received)->message);
}

void HandoverGiver::Handle(const Message& message) {
  if (step_ == Step::kBegin && message.has_begin()) return OnBegin(message.begin());
  if (step_ == Step::kOffered && message.has_request()) return OnRequest();
  if (step_ == Step::kGiven) return Release();
  if (message.has_refusal()) return Withdraw(UnexpectedMessage(message, ""));
  Withdraw(absl::DataLossError("hand over: the new process sent an unexpected message"));
}

void HandoverGiver::OnBegin(const handover::v1::Begin& begin) {
  version_ = begin.version();
  if (begin.format_min() > kHandoverFormat || begin.format_max() < kHandoverFormat) {
    return RefuseTaker(absl::FailedPreconditionError(
        absl::StrCat("version ", ENTROPYD_VERSION, " hands over in format ", kHandoverFormat,
                     ", version ", version_, " takes ", begin.format_min(), " to ",
                     begin.format_max(), "; restart the agent instead")));
  }
  log_->Info("handover.begun",
             {{"version", version_}, {"guests", guests_->connections()}, {"pid", getpid()}});
  Message message;
  message.mutable_offer()->set_format(kHandoverFormat);
  message.mutable_offer()->set_version(ENTROPYD_VERSION);
  message.mutable_offer()->set_http_port(static_cast<uint32_t>(subject_->http_port()));
  guests_->SaveDemand(message.mutable_offer());
  if (auto status = subject_->LeaveServer(); !status.ok()) return RefuseTaker(status);
  step_ = Step::kOffered;
  SetDeadline(kFillPatienceNanos);
  auto status = link_->Send(message, {}, absl::Now() + kHandoverAnswerPatience);
  if (!status.ok()) Withdraw(status);
}

void HandoverGiver::RefuseTaker(const absl::Status& why) {
  link_->Send(Refusal(why.message()), {}, absl::Now() + kHandoverAnswerPatience).IgnoreError();
  Withdraw(why);
}

void HandoverGiver::OnRequest() {
  const absl::Time began = absl::Now();
  const size_t guests = guests_->connections();
  if (absl::Status status = Give(); !status.ok()) return Withdraw(status);
  // Go was sent: these guests are another process's.
  step_ = Step::kGiven;
  guests_->GiveAway();
  listener_->Disown();
  listener_.reset();
  log_->Info("handover.given", {{"version", version_},
                                {"guests", guests},
                                {"pause_ms", absl::ToInt64Milliseconds(absl::Now() - began)},
                                {"pid", getpid()}});
  SetDeadline(kServingPatienceNanos);
  subject_->Given(version_);
}

absl::Status HandoverGiver::Give() {
  const absl::Time deadline = absl::Now() + kGivePatience;
  Message message;
  std::vector<int> listeners;
  guests_->SaveNumbers(message.mutable_numbers(), &listeners);
  SavedState::SaveFile(listener_->file(), message.mutable_numbers()->mutable_handover_file());
  listeners.push_back(listener_->fd());
  if (auto status = link_->Send(message, listeners, deadline); !status.ok()) return status;
  auto status = guests_->SaveConnections(
      [&](const handover::v1::Connections& connections, const std::vector<int>& sockets) {
        // The link looks at the time when it has to wait, and what the guests have pending may take
        // long to write down.
        if (absl::Now() > deadline) {
          return absl::DeadlineExceededError("hand over: the connections take too long to save");
        }
        *message.mutable_connections() = connections;
        return link_->Send(message, sockets, deadline);
      });
  if (!status.ok()) return status;
  auto answer = link_->Receive(deadline);
  if (!answer.ok()) return answer.status();
  if (!answer->message.has_prepared()) return UnexpectedMessage(answer->message, "Prepared");
  message.mutable_go();
  return link_->Send(message, {}, deadline);
}

void HandoverGiver::Withdraw(const absl::Status& why) {
  CloseLink();
  const bool offered = step_ == Step::kOffered;
  step_ = Step::kIdle;
  log_->Error("handover.failed", {{"version", version_},
                                  {"reason", why},
                                  {"remedy", FailureRemedy(HandoverPurpose::kUpgrade, why)},
                                  {"pid", getpid()}});
  if (offered) subject_->ReturnToServer(why);
}

void HandoverGiver::Refuse(const absl::Status& why) {
  refused_ = why;
  if (step_ == Step::kIdle || step_ == Step::kGiven) return;
  // A process that does not read now learns it from the end of the link.
  link_->Send(Refusal(why.message()), {}, absl::Now()).IgnoreError();
  CloseLink();
  step_ = Step::kIdle;
  log_->Warning("handover.ended", {{"version", version_},
                                   {"reason", why},
                                   {"remedy", "start the new process when this one has ended"},
                                   {"pid", getpid()}});
}

// The link stays open: its end tells the successor that this process is gone.
void HandoverGiver::Release() {
  deadline_.Set(kNever);
  watch_.End();
  subject_->Released();
}

}  // namespace entropyd
