// Looks at the entropyd of this machine, a server, an agent or both, and tells what is wrong.
//
//   Examination found = Examine(ThisMachine(), {}, options);
//   for (const Finding& finding : found.report.findings()) Print(finding);
//
// Thread safety: functions without state.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/doctor/checks.h"
#include "client/doctor/machine.h"
#include "client/doctor/report.h"
#include "client/doctor/service.h"

namespace entropyd::doctor {

struct ExamineOptions {
  Choice choice;
  // The certificate of client.yaml; empty = none.
  std::string client_cert;
  std::function<void(absl::string_view check)> progress;
};

struct Examination {
  std::vector<Service> services;
  Report report;
};

// Runs every check on every service that is found. A service whose configuration cannot be read
// gets no other check than that of the configuration. Without a service there is one remark, that
// nothing is here.
Examination Examine(const Machine& machine, const ExamineOptions& options);

// 0 nothing found, 1 findings, 3 it could not look at something and found nothing else.
int ExitStatusOf(const Report& report);

// Does what the fix says, and no more: a mode only loses rights, and never that of a link's target;
// what stands there already is not replaced. Nothing is touched where OpenSafeDirectory() does not
// go. Errors: FAILED_PRECONDITION; as ErrnoStatus.
absl::Status Apply(const Fix& fix);

}  // namespace entropyd::doctor
