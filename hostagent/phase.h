// What an agent may do, and when: its phases, and what happens to it in each.
//
//   if (absl::Status status = CheckPhase(phase, PhaseEvent::kReplace); !status.ok()) return status;
//   phase = NextPhase(phase, PhaseEvent::kStop).value();
//
//   CurrentPhase now(&log);
//   if (absl::Status status = now.Enter(PhaseEvent::kOffer); !status.ok()) return status;
//
// hostagent/README.md ("Phases") has the table. A test compares it with the rules in phase.cc.
//
// Thread safety: the functions have no state; of CurrentPhase see there.
#pragma once

#include <array>
#include <atomic>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "base/telemetry/log.h"

namespace entropyd {

enum class Phase {
  // The agent is made. No socket is open yet.
  kStarting,
  // It has reached its predecessor, which still serves. It fills its buffers.
  kTakingOver,
  // The guests are this process's.
  kServing,
  // It has made its successor an offer. It serves from its buffers, away from its server.
  kGiving,
  // Go was sent: the guests are another process's. It waits until the successor serves.
  kGiven,
  // It holds nothing, and waits for somebody to stop it.
  kLingering,
  // Somebody stopped it while it had its guests, or had none yet. It ends within a second.
  kStopping,
  // Its guests are another process's, and it ends.
  kLeaving,
};

enum class PhaseEvent {
  // A predecessor was reached.
  kTakeOver,
  // Everything is open, or Go has come.
  kServe,
  // The control socket and HTTP can open: at the start, or when the predecessor has gone.
  kOpenPorts,
  // An operator adds or removes a guest's socket.
  kChangeSockets,
  // An operator asks for an upgrade or a reload.
  kReplace,
  // A successor has come, and gets an offer.
  kOffer,
  // The handover failed before Go.
  kWithdraw,
  // Go was sent.
  kGo,
  // The successor serves. This process stays.
  kLinger,
  // The successor serves. This process ends.
  kLeave,
  // With `linger`: the successor that this process started and gave its guests to has ended.
  kSuccessorEnded,
  // SIGTERM or SIGINT.
  kStop,
};

inline constexpr std::array kPhases = {Phase::kStarting, Phase::kTakingOver, Phase::kServing,
                                       Phase::kGiving,   Phase::kGiven,      Phase::kLingering,
                                       Phase::kStopping, Phase::kLeaving};
inline constexpr std::array kPhaseEvents = {PhaseEvent::kTakeOver,       PhaseEvent::kServe,
                                            PhaseEvent::kOpenPorts,      PhaseEvent::kChangeSockets,
                                            PhaseEvent::kReplace,        PhaseEvent::kOffer,
                                            PhaseEvent::kWithdraw,       PhaseEvent::kGo,
                                            PhaseEvent::kLinger,         PhaseEvent::kLeave,
                                            PhaseEvent::kSuccessorEnded, PhaseEvent::kStop};

// The phase after `event`, which may be the same one; absent = `phase` does not allow `event`.
absl::optional<Phase> NextPhase(Phase phase, PhaseEvent event);

// Whether `phase` allows `event`, as an answer to the caller. Errors: ABORTED with what was asked,
// why it cannot be now, and what to do instead.
absl::Status CheckPhase(Phase phase, PhaseEvent event);

// The guests were this process's, and are another's now.
constexpr bool GivenAway(Phase phase) {
  return phase == Phase::kGiven || phase == Phase::kLingering || phase == Phase::kLeaving;
}
// The process ends as soon as it can.
constexpr bool Ending(Phase phase) { return phase == Phase::kStopping || phase == Phase::kLeaving; }

// The names in the README, e.g. "taking over" and "upgrade or reload".
absl::string_view PhaseName(Phase phase);
absl::string_view PhaseEventName(PhaseEvent event);

// The phase of one agent.
//
// Thread safety: get() and Check() are safe. The event loop's thread alone changes it.
class CurrentPhase {
 public:
  // `log` outlives it.
  explicit CurrentPhase(Log* log) : log_(log) {}

  Phase get() const { return phase_.load(std::memory_order_relaxed); }
  // Errors: of CheckPhase.
  absl::Status Check(PhaseEvent event) const { return CheckPhase(get(), event); }
  // Errors: of CheckPhase. Then the phase is as before. The log says so, because nobody asks for an
  // event where it cannot be, unless this program is wrong.
  [[nodiscard]] absl::Status Enter(PhaseEvent event);

 private:
  Log* const log_;
  std::atomic<Phase> phase_{Phase::kStarting};
};

}  // namespace entropyd
