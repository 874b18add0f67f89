#include "hostagent/handover/taker.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "hostagent/handover/protocol.h"

namespace entropyd {
namespace {

using handover::v1::Message;

// The running agent answers Begin in one turn of its loop, Request and Prepared within
// HandoverGiver::kGivePatience.
constexpr absl::Duration kTakePatience = absl::Seconds(5);

absl::Status AdoptAll(HandoverLink* link, SavedState* guests, Taken* taken) {
  const absl::Time deadline = absl::Now() + kTakePatience;
  auto numbers = link->Receive(deadline);
  if (!numbers.ok()) return numbers.status();
  if (!numbers->message.has_numbers() || numbers->fds.empty()) {
    return UnexpectedMessage(numbers->message, "Numbers");
  }
  const handover::v1::Numbers& told = numbers->message.numbers();
  taken->listener = {
      std::move(numbers->fds.back()),
      SavedState::RestoreFile(told.has_handover_file() ? &told.handover_file() : nullptr)};
  numbers->fds.pop_back();
  auto status = guests->AdoptNumbers(told, std::move(numbers->fds));
  if (!status.ok()) return status;
  const uint32_t expected = told.connections();
  while (taken->connections < expected) {
    auto batch = link->Receive(deadline);
    if (!batch.ok()) return batch.status();
    const auto& connections = batch->message.connections();
    if (connections.connection_size() == 0) {
      return UnexpectedMessage(batch->message, "Connections");
    }
    taken->connections += static_cast<uint32_t>(connections.connection_size());
    status = guests->AdoptConnections(connections, std::move(batch->fds));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// After Prepared there are two outcomes and no third: Go has come, or it can no longer be sent.
absl::Status AwaitGo(HandoverLink* link) {
  auto answer = link->Receive(absl::Now() + kTakePatience);
  if (absl::IsDeadlineExceeded(answer.status())) {
    link->StopReceiving();
    answer = link->Receive(absl::Now() + kHandoverAnswerPatience);
  }
  if (!answer.ok()) return answer.status();
  return answer->message.has_go() ? absl::OkStatus() : UnexpectedMessage(answer->message, "Go");
}

// Between Offer and Request the other side says nothing, unless it takes its offer back.
absl::Status StillOffered(HandoverLink* link) {
  auto received = link->TryReceive();
  if (!received.ok()) return received.status();
  if (!received->has_value()) return absl::OkStatus();
  return UnexpectedMessage((*received)->message, "nothing before Request");
}

}  // namespace

absl::StatusOr<Taken> TakeOver(std::unique_ptr<HandoverLink> link, SavedState* guests,
                               const FillBuffers& fill) {
  Message message;
  message.mutable_begin()->set_format_min(kHandoverFormat);
  message.mutable_begin()->set_format_max(kHandoverFormat);
  message.mutable_begin()->set_version(ENTROPYD_VERSION);
  const auto send = [&] { return link->Send(message, {}, absl::Now() + kHandoverAnswerPatience); };
  if (auto status = send(); !status.ok()) return status;
  auto offer = link->Receive(absl::Now() + kTakePatience);
  if (!offer.ok()) return offer.status();
  if (!offer->message.has_offer()) return UnexpectedMessage(offer->message, "Offer");
  // The running agent tells its people why.
  const auto refuse = [&](const absl::Status& why) {
    message.mutable_refusal()->set_reason(std::string(why.message()));
    send().IgnoreError();
    return why;
  };
  const auto offered = [&] { return StillOffered(link.get()); };
  absl::Status status = fill(offer->message.offer(), offered);
  if (!status.ok()) return refuse(status);
  if (status = offered(); !status.ok()) return status;

  Taken taken;
  taken.version = offer->message.offer().version();
  const absl::Time began = absl::Now();
  message.mutable_request();
  if (status = send(); !status.ok()) return status;
  if (status = AdoptAll(link.get(), guests, &taken); !status.ok()) return refuse(status);
  message.mutable_prepared();
  if (status = send(); !status.ok()) return status;
  if (status = AwaitGo(link.get()); !status.ok()) return status;
  guests->Own();
  taken.pause = absl::Now() - began;
  taken.link = std::move(link);
  return taken;
}

}  // namespace entropyd
