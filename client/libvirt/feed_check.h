// Whether the agent of this host can feed a domain the way its XML says, and what is wrong if not.
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

// What an agent says of a class. Errors: NOT_FOUND (it has no such class, with those that it has),
// PERMISSION_DENIED (its server has closed the class, with the reason).
absl::Status CheckClass(const v1::GetStatusResponse& agent, absl::string_view pool_class);
// Errors: NOT_FOUND (it listens elsewhere, with where).
absl::Status CheckSocket(const v1::GetStatusResponse& agent, absl::string_view socket);

// One trouble of one domain.
struct LintFinding {
  std::string domain;
  std::string view;  // "defined", "running", or "both" when both say the same
  std::string code;  // one word that does not change: no-reconnect, rate, …
  std::string message;
  std::string remedy;
};

// Looks at one domain's XML. `agent` may be null: then classes are not checked, and the only right
// socket is `socket`. With an agent, `socket` empty allows every socket that it listens on.
// Codes: class-unknown, class-closed, class-ignored, class-unreadable, class-without-device,
// device-elsewhere, device-twice, kernel-device, listens, no-reconnect, rate, xml.
std::vector<LintFinding> LintDomain(absl::string_view domain, absl::string_view view,
                                    absl::string_view xml, const v1::GetStatusResponse* agent,
                                    const std::string& socket);

// The findings of two views as one list: what both say is said once.
std::vector<LintFinding> MergeViews(std::vector<LintFinding> defined,
                                    std::vector<LintFinding> running);

}  // namespace entropyd
