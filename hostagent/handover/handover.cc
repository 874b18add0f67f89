#include "hostagent/handover/handover.h"

#include <errno.h>
#include <sys/epoll.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace entropyd {
namespace {

using handover::v1::Message;

// Short messages to a process that is there to read them.
constexpr absl::Duration kAnswerPatience = absl::Seconds(1);
// The running agent answers Begin in one turn of its loop, Request and Prepared within
// kGivePatience.
constexpr absl::Duration kTakePatience = absl::Seconds(5);

// A word of the other side that is not the expected one.
absl::Status Unexpected(const Message& message, absl::string_view expected) {
  if (message.has_refusal()) return absl::FailedPreconditionError(message.refusal().reason());
  return absl::DataLossError(absl::StrCat("hand over: expected ", expected));
}

}  // namespace

std::string HandoverPath(const std::string& control_socket) {
  return absl::StrCat(control_socket, ".handover");
}

// --- the side that gives
// ----------------------------------------------------------------------------

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
                                                                    UniqueFd socket,
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

HandoverGiver::~HandoverGiver() { CloseChannel(); }

void HandoverGiver::CloseChannel() {
  loop_->CancelTimer(timer_);
  timer_ = EventLoop::kNoTimer;
  if (watch_ != 0) loop_->Unwatch(watch_);
  watch_ = 0;
  channel_.reset();
}

void HandoverGiver::SetDeadline(int64_t nanos_from_now) {
  loop_->CancelTimer(timer_);
  timer_ = loop_->AddTimer(loop_->now_nanos() + nanos_from_now, [this] {
    timer_ = EventLoop::kNoTimer;
    if (given()) return Release();
    Withdraw(absl::DeadlineExceededError("hand over: the new process does not get on"));
  });
}

void HandoverGiver::Accepted(UniqueFd socket) {
  auto channel = HandoverLink::Create(std::move(socket));
  if (!channel.ok()) {
    log_->Warning("handover.refused", {{"reason", channel.status()}});
    return;
  }
  if (step_ != Step::kIdle) {
    Message message;
    message.mutable_refusal()->set_reason("another handover is under way; try again in a minute");
    (*channel)->Send(message, {}, absl::Now()).IgnoreError();
    return;
  }
  auto watch = loop_->Watch((*channel)->fd(), EPOLLIN, this);
  if (!watch.ok()) return;
  watch_ = *watch;
  channel_ = *std::move(channel);
  step_ = Step::kBegin;
  SetDeadline(kBeginPatienceNanos);
}

void HandoverGiver::OnEvents(uint32_t) {
  auto received = channel_->TryReceive();
  if (!received.ok()) return given() ? Release() : Withdraw(received.status());
  if (received->has_value()) Handle((*received)->message);
}

void HandoverGiver::Handle(const Message& message) {
  if (step_ == Step::kBegin && message.has_begin()) return OnBegin(message.begin());
  if (step_ == Step::kOffered && message.has_request()) return OnRequest();
  if (step_ == Step::kGiven) return Release();
  if (message.has_refusal()) return Withdraw(Unexpected(message, ""));
  Withdraw(absl::DataLossError("hand over: the new process says what has no place here"));
}

void HandoverGiver::OnBegin(const handover::v1::Begin& begin) {
  version_ = begin.version();
  Message message;
  if (begin.format_min() > kHandoverFormat || begin.format_max() < kHandoverFormat) {
    message.mutable_refusal()->set_reason(
        absl::StrCat("version ", ENTROPYD_VERSION, " hands over in format ", kHandoverFormat,
                     ", version ", version_, " takes ", begin.format_min(), " to ",
                     begin.format_max(), "; restart the agent instead"));
    const absl::Status refused = absl::FailedPreconditionError(message.refusal().reason());
    channel_->Send(message, {}, absl::Now() + kAnswerPatience).IgnoreError();
    return Withdraw(refused);
  }
  log_->Info("handover.begun", {{"version", version_}, {"guests", guests_->guests()}});
  message.mutable_offer()->set_format(kHandoverFormat);
  message.mutable_offer()->set_version(ENTROPYD_VERSION);
  guests_->SaveDemand(message.mutable_offer());
  step_ = Step::kOffered;
  subject_->LeaveServer();
  SetDeadline(kFillPatienceNanos);
  if (auto status = channel_->Send(message, {}, absl::Now() + kAnswerPatience); !status.ok()) {
    Withdraw(status);
  }
}

void HandoverGiver::OnRequest() {
  const absl::Time began = absl::Now();
  const size_t guests = guests_->guests();
  if (absl::Status status = Give(); !status.ok()) return Withdraw(status);
  // Go is out: these guests are another's.
  step_ = Step::kGiven;
  guests_->GiveAway();
  listener_->Disown();
  listener_.reset();
  log_->Info("handover.given", {{"version", version_},
                                {"guests", guests},
                                {"pause_ms", absl::ToInt64Milliseconds(absl::Now() - began)}});
  SetDeadline(kServingPatienceNanos);
  subject_->Given(version_);
}

absl::Status HandoverGiver::Give() {
  const absl::Time deadline = absl::Now() + kGivePatience;
  Message message;
  std::vector<int> listeners;
  guests_->SaveNumbers(message.mutable_numbers(), &listeners);
  listeners.push_back(listener_->fd());
  if (auto status = channel_->Send(message, listeners, deadline); !status.ok()) return status;
  auto status = guests_->SaveConnections(
      [&](const handover::v1::Connections& connections, const std::vector<int>& sockets) {
        *message.mutable_connections() = connections;
        return channel_->Send(message, sockets, deadline);
      });
  if (!status.ok()) return status;
  auto answer = channel_->Receive(deadline);
  if (!answer.ok()) return answer.status();
  if (!answer->message.has_prepared()) return Unexpected(answer->message, "Prepared");
  message.mutable_go();
  return channel_->Send(message, {}, deadline);
}

void HandoverGiver::Withdraw(const absl::Status& why) {
  CloseChannel();
  const bool offered = step_ == Step::kOffered;
  step_ = Step::kIdle;
  log_->Error(
      "handover.failed",
      {{"version", version_}, {"reason", why}, {"remedy", "none needed: this process serves on"}});
  if (offered) subject_->ReturnToServer(why);
}

// The channel stays open: its end tells the successor that this process is gone.
void HandoverGiver::Release() {
  loop_->CancelTimer(timer_);
  timer_ = EventLoop::kNoTimer;
  loop_->Unwatch(watch_);
  watch_ = 0;
  subject_->Released();
}

// --- the side that takes
// ----------------------------------------------------------------------------

namespace {

absl::Status AdoptAll(HandoverLink* channel, SavedState* guests, Taken* taken) {
  const absl::Time deadline = absl::Now() + kTakePatience;
  auto numbers = channel->Receive(deadline);
  if (!numbers.ok()) return numbers.status();
  if (!numbers->message.has_numbers() || numbers->fds.empty()) {
    return Unexpected(numbers->message, "Numbers");
  }
  taken->listener = std::move(numbers->fds.back());
  numbers->fds.pop_back();
  auto status = guests->AdoptNumbers(numbers->message.numbers(), std::move(numbers->fds));
  if (!status.ok()) return status;
  const uint32_t expected = numbers->message.numbers().connections();
  while (taken->connections < expected) {
    auto batch = channel->Receive(deadline);
    if (!batch.ok()) return batch.status();
    const auto& connections = batch->message.connections();
    if (connections.connection_size() == 0) return Unexpected(batch->message, "Connections");
    taken->connections += static_cast<uint32_t>(connections.connection_size());
    status = guests->AdoptConnections(connections, std::move(batch->fds));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// After Prepared there are two outcomes and no third: Go has come, or it can no longer be sent.
absl::Status AwaitGo(HandoverLink* channel) {
  auto answer = channel->Receive(absl::Now() + kTakePatience);
  if (absl::IsDeadlineExceeded(answer.status())) {
    channel->StopReceiving();
    answer = channel->Receive(absl::Now() + kAnswerPatience);
  }
  if (!answer.ok()) return answer.status();
  return answer->message.has_go() ? absl::OkStatus() : Unexpected(answer->message, "Go");
}

}  // namespace

absl::StatusOr<Taken> TakeOver(
    std::unique_ptr<HandoverLink> channel, SavedState* guests,
    const std::function<absl::Status(const handover::v1::Offer&)>& fill) {
  Message message;
  message.mutable_begin()->set_format_min(kHandoverFormat);
  message.mutable_begin()->set_format_max(kHandoverFormat);
  message.mutable_begin()->set_version(ENTROPYD_VERSION);
  const auto send = [&] { return channel->Send(message, {}, absl::Now() + kAnswerPatience); };
  if (auto status = send(); !status.ok()) return status;
  auto offer = channel->Receive(absl::Now() + kTakePatience);
  if (!offer.ok()) return offer.status();
  if (!offer->message.has_offer()) return Unexpected(offer->message, "Offer");
  // The running agent tells its people why.
  const auto refuse = [&](const absl::Status& why) {
    message.mutable_refusal()->set_reason(std::string(why.message()));
    send().IgnoreError();
    return why;
  };
  if (auto status = fill(offer->message.offer()); !status.ok()) return refuse(status);

  Taken taken;
  taken.version = offer->message.offer().version();
  const absl::Time began = absl::Now();
  message.mutable_request();
  if (auto status = send(); !status.ok()) return status;
  if (auto status = AdoptAll(channel.get(), guests, &taken); !status.ok()) return refuse(status);
  message.mutable_prepared();
  if (auto status = send(); !status.ok()) return status;
  if (auto status = AwaitGo(channel.get()); !status.ok()) return status;
  guests->Own();
  taken.pause = absl::Now() - began;
  taken.channel = std::move(channel);
  return taken;
}

}  // namespace entropyd
