// What a running agent says of itself: classes that are refused, listeners that wait.
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/doctor/checks.h"
#include "client/show/tables.h"

namespace entropyd::doctor {
namespace {

Trouble FromText(const std::string& text) {
  Message message = SplitRemedy(text);
  Trouble trouble = {.what = std::move(message.what), .why = "the agent says so itself"};
  // What the agent does about it by itself is nothing to do.
  if (absl::StartsWith(message.remedy, "it tries ") ||
      absl::StartsWith(message.remedy, "tried again")) {
    absl::StrAppend(&trouble.why, "; ", message.remedy);
    message.remedy.clear();
  }
  trouble.mend = message.remedy.empty() ? "entropyctl status" : std::move(message.remedy);
  return trouble;
}

}  // namespace

void LookAtService(const Subject& subject, Report* report) {
  const std::string& control = subject.service.agent.control();
  if (!subject.service.process.has_value()) return;  // another check tells it
  const absl::StatusOr<v1::GetStatusResponse> status = subject.machine.agent_status(control);
  if (!status.ok()) {
    if (access(control.c_str(), F_OK) == 0 && access(control.c_str(), W_OK) != 0) {
      return report->Unknown(
          absl::StrCat("use ", control, ": only its owner may (run the doctor as root)"));
    }
    return report->Broken({.what = absl::StrCat("the agent does not answer at ", control),
                           .why = std::string(status.status().message()),
                           .mend = subject.service.StartCommand(),
                           .key = "control"});
  }
  for (const std::string& text : AgentTroubles(*status)) {
    report->Broken(FromText(text));
  }
  for (const std::string& text : AgentWarnings(*status)) {
    if (absl::StrContains(text, "locked in memory")) continue;  // a check of its own
    report->Warn(FromText(text));
  }
  report->Passed(absl::StrCat("attached to ", status->server(), ", version ", status->version(),
                              ", ", status->class__size(), " classes"));
}

}  // namespace entropyd::doctor
