// The taker of a handover: a new agent process, before it serves anybody
// (hostagent/handover/protocol.h).
//
//   auto link = HandoverLink::Connect(HandoverPath(control)).value();
//   auto taken = TakeOver(std::move(link), guests, [&](const auto& offer, const auto& offered) {
//     while (!filled()) {
//       if (absl::Status status = offered(); !status.ok()) return status;
//       loop->RunOnce(kTurn);
//     }
//     return absl::OkStatus();
//   });
//
// Errors: of TakeOver(). After one this process must exit.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/saved_state.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

// What a taker has after Go.
struct Taken {
  // Send Serving on it. It ends when the giver exits.
  std::unique_ptr<HandoverLink> link;
  // For HandoverGiver::Adopt.
  Listener::HandedOver listener;
  // Of the giver.
  std::string version;
  uint32_t connections = 0;
  // From Request to Go.
  absl::Duration pause;
};

// Attaches to a server and returns when the buffers hold what `offer` asks for. That may take long.
// Meanwhile `offered` tells whether the offer still stands. If not, return its error.
using FillBuffers = std::function<absl::Status(const handover::v1::Offer& offer,
                                               const std::function<absl::Status()>& offered)>;

// Takes over from the giver at the other end of `link`, and returns after Go. After an error this
// process must exit without turning its loop again. The giver knows the reason, if it was told in
// time.
//
// Errors: FAILED_PRECONDITION when the giver refuses, also when it takes its offer back; those of
// `fill`; UNAVAILABLE when the giver is gone; DEADLINE_EXCEEDED.
absl::StatusOr<Taken> TakeOver(std::unique_ptr<HandoverLink> link, SavedState* guests,
                               const FillBuffers& fill);

}  // namespace entropyd
