// Checks whether the agent of this host can feed a domain as its XML says, and finds what is wrong.
//
//   for (const LintFinding& finding : LintDomain("g1", "defined", xml, &agent, "")) Print(finding);
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/libvirt/rng_device.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

// Whether the agent has the class. Errors: NOT_FOUND (no such class; lists its classes),
// PERMISSION_DENIED (its server has closed the class; gives the reason).
absl::Status CheckClass(const v1::GetStatusResponse& agent, absl::string_view pool_class);
// Whether the agent listens on the socket. Errors: NOT_FOUND (no; lists its sockets).
absl::Status CheckSocket(const v1::GetStatusResponse& agent, absl::string_view socket);

// One thing that is wrong with one domain.
struct LintFinding {
  std::string domain;
  std::string view;  // "defined", "running", or "both" when both say the same
  std::string code;  // one word that does not change: no-reconnect, rate, …
  std::string message;
  std::string remedy;
};

// Checks the XML of one domain. `agent` may be null: then classes are not checked, and only
// `socket` is right. With an agent, an empty `socket` allows every socket on which it listens.
// Codes: class-unknown, class-closed, class-ignored, class-unreadable, class-without-device,
// device-elsewhere, device-twice, kernel-device, listens, no-reconnect, rate, xml.
std::vector<LintFinding> LintDomain(absl::string_view domain, absl::string_view view,
                                    absl::string_view xml, const v1::GetStatusResponse* agent,
                                    const std::string& socket);

// Joins the findings of two views. A finding of both appears once.
std::vector<LintFinding> MergeViews(std::vector<LintFinding> defined,
                                    std::vector<LintFinding> running);

}  // namespace entropyd
