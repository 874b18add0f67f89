#include "hostagent/phase.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

struct Rule {
  Phase phase;
  PhaseEvent event;
  Phase next;
};

// Each rule is something that happens. What is not in this table is refused.
constexpr Rule kRules[] = {
    {Phase::kStarting, PhaseEvent::kTakeOver, Phase::kTakingOver},
    {Phase::kStarting, PhaseEvent::kServe, Phase::kServing},
    {Phase::kStarting, PhaseEvent::kOpenPorts, Phase::kStarting},
    {Phase::kStarting, PhaseEvent::kStop, Phase::kStopping},

    {Phase::kTakingOver, PhaseEvent::kServe, Phase::kServing},
    {Phase::kTakingOver, PhaseEvent::kStop, Phase::kStopping},

    {Phase::kServing, PhaseEvent::kOpenPorts, Phase::kServing},
    {Phase::kServing, PhaseEvent::kChangeSockets, Phase::kServing},
    {Phase::kServing, PhaseEvent::kReplace, Phase::kServing},
    {Phase::kServing, PhaseEvent::kOffer, Phase::kGiving},
    {Phase::kServing, PhaseEvent::kStop, Phase::kStopping},

    {Phase::kGiving, PhaseEvent::kOpenPorts, Phase::kGiving},
    {Phase::kGiving, PhaseEvent::kChangeSockets, Phase::kGiving},
    {Phase::kGiving, PhaseEvent::kWithdraw, Phase::kServing},
    {Phase::kGiving, PhaseEvent::kGo, Phase::kGiven},
    {Phase::kGiving, PhaseEvent::kStop, Phase::kStopping},

    {Phase::kGiven, PhaseEvent::kLinger, Phase::kLingering},
    {Phase::kGiven, PhaseEvent::kLeave, Phase::kLeaving},
    {Phase::kGiven, PhaseEvent::kSuccessorEnded, Phase::kLeaving},
    {Phase::kGiven, PhaseEvent::kStop, Phase::kLeaving},

    {Phase::kLingering, PhaseEvent::kSuccessorEnded, Phase::kLeaving},
    {Phase::kLingering, PhaseEvent::kStop, Phase::kLeaving},

    // A second signal changes nothing.
    {Phase::kStopping, PhaseEvent::kStop, Phase::kStopping},
    // A stop ended the successor, too. This process waits for that.
    {Phase::kLeaving, PhaseEvent::kSuccessorEnded, Phase::kLeaving},
    {Phase::kLeaving, PhaseEvent::kStop, Phase::kLeaving},
};

absl::string_view WhyNot(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "this agent is starting; try again in a moment";
    case Phase::kTakingOver:
      return "this agent is taking over from another; try again in a minute";
    case Phase::kServing:
      return "this agent serves";
    case Phase::kGiving:
      return "a handover is under way; try again in a minute";
    case Phase::kGiven:
    case Phase::kLingering:
      return "another process has taken the guests over; ask that one, in a moment";
    case Phase::kStopping:
      return "this agent is stopping";
    case Phase::kLeaving:
      return "another process has taken the guests over, and this one is ending";
  }
  return "";
}

}  // namespace

absl::optional<Phase> NextPhase(Phase phase, PhaseEvent event) {
  for (const Rule& rule : kRules) {
    if (rule.phase == phase && rule.event == event) return rule.next;
  }
  return absl::nullopt;
}

absl::Status CheckPhase(Phase phase, PhaseEvent event) {
  if (NextPhase(phase, event).has_value()) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(PhaseEventName(event), ": not now: ", WhyNot(phase)));
}

absl::string_view PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kStarting:
      return "starting";
    case Phase::kTakingOver:
      return "taking over";
    case Phase::kServing:
      return "serving";
    case Phase::kGiving:
      return "giving";
    case Phase::kGiven:
      return "given";
    case Phase::kLingering:
      return "lingering";
    case Phase::kStopping:
      return "stopping";
    case Phase::kLeaving:
      return "leaving";
  }
  return "";
}

absl::string_view PhaseEventName(PhaseEvent event) {
  switch (event) {
    case PhaseEvent::kTakeOver:
      return "take over";
    case PhaseEvent::kServe:
      return "serve";
    case PhaseEvent::kOpenPorts:
      return "open the control socket and HTTP";
    case PhaseEvent::kChangeSockets:
      return "add or remove a guest's socket";
    case PhaseEvent::kReplace:
      return "upgrade or reload";
    case PhaseEvent::kOffer:
      return "offer the guests";
    case PhaseEvent::kWithdraw:
      return "take the offer back";
    case PhaseEvent::kGo:
      return "give the guests away";
    case PhaseEvent::kLinger:
      return "linger";
    case PhaseEvent::kLeave:
      return "leave";
    case PhaseEvent::kSuccessorEnded:
      return "see the successor end";
    case PhaseEvent::kStop:
      return "stop";
  }
  return "";
}

absl::Status CurrentPhase::Enter(PhaseEvent event) {
  absl::Status status = Check(event);
  if (!status.ok()) {
    log_->Error("agent.refused",
                {{"reason", status}, {"remedy", "report this fault"}, {"pid", getpid()}});
    return status;
  }
  phase_.store(*NextPhase(get(), event), std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace entropyd
