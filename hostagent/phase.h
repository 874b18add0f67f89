// What an agent may do, and when: its phases, and what happens to it in each.
//
//   if (absl::Status status = CheckPhase(phase, PhaseEvent::kReplace); !status.ok()) return status;
//   phase = NextPhase(phase, PhaseEvent::kStop).value();
//
// The table is in hostagent/README.md ("Phases"); a test holds it beside the rules in phase.cc.
//
// Thread safety: functions without state.
#pragma once

#include <array>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace entropyd {

enum class Phase {
  kStarting,    // made; no socket is open yet
  kTakingOver,  // has reached its predecessor, which serves; fills its buffers
  kServing,     // the guests are this process's
  kGiving,      // has made its successor an offer: serves from its buffers, away from its server
  kGiven,       // Go was sent: the guests are another's; waits until the successor serves
  kLingering,   // holds nothing, and waits to be told to stop
  kStopping,    // was told to stop while it had its guests, or had none yet; ends within a second
  kLeaving,     // its guests are another's, and it ends
};

enum class PhaseEvent {
  kTakeOver,        // a predecessor was reached
  kServe,           // everything is open, or Go has come
  kOpenDoors,       // the control socket and HTTP can open
  kChangeSockets,   // an operator adds or removes a guest's socket
  kReplace,         // an operator asks for an upgrade or a reload
  kOffer,           // a successor has come, and is made an offer
  kWithdraw,        // the handover failed before Go
  kGo,              // Go was sent
  kLinger,          // the successor serves; this process is to stay
  kLeave,           // the successor serves; this process is to end
  kSuccessorEnded,  // a successor that this process has started has ended
  kStop,            // SIGTERM, SIGINT
};

inline constexpr std::array kPhases = {Phase::kStarting, Phase::kTakingOver, Phase::kServing,
                                       Phase::kGiving,   Phase::kGiven,      Phase::kLingering,
                                       Phase::kStopping, Phase::kLeaving};
inline constexpr std::array kPhaseEvents = {PhaseEvent::kTakeOver,       PhaseEvent::kServe,
                                            PhaseEvent::kOpenDoors,      PhaseEvent::kChangeSockets,
                                            PhaseEvent::kReplace,        PhaseEvent::kOffer,
                                            PhaseEvent::kWithdraw,       PhaseEvent::kGo,
                                            PhaseEvent::kLinger,         PhaseEvent::kLeave,
                                            PhaseEvent::kSuccessorEnded, PhaseEvent::kStop};

// The phase after `event`, which may be the same one; absent = `event` is not allowed in `phase`.
absl::optional<Phase> NextPhase(Phase phase, PhaseEvent event);

// Whether `event` is allowed in `phase`, for whoever asked for it. Errors: ABORTED with what was
// asked, why not now, and what to do instead.
absl::Status CheckPhase(Phase phase, PhaseEvent event);

// The guests were this process's and are another's.
constexpr bool GivenAway(Phase phase) {
  return phase == Phase::kGiven || phase == Phase::kLingering || phase == Phase::kLeaving;
}
// The process ends as soon as it can.
constexpr bool Ending(Phase phase) { return phase == Phase::kStopping || phase == Phase::kLeaving; }

// As the README calls them, e.g. "taking over" and "upgrade or reload".
absl::string_view PhaseName(Phase phase);
absl::string_view PhaseEventName(PhaseEvent event);

}  // namespace entropyd
