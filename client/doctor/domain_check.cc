// Domains of libvirt that this host's agent feeds, checked as `entropyctl libvirt lint` does.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "client/doctor/checks.h"
#include "client/libvirt/feed_check.h"

namespace entropyd::doctor {
namespace {

// These keep a guest from its bytes now; others will some day.
bool IsBroken(const std::string& code) {
  return code == "class-closed" || code == "class-unknown" || code == "listens" ||
         code == "device-elsewhere" || code == "class-without-device";
}

absl::StatusOr<std::vector<LintFinding>> LintOne(LibvirtHost& host, const LibvirtName& domain,
                                                 const v1::GetStatusResponse* agent,
                                                 const std::string& socket) {
  const absl::StatusOr<LibvirtState> state = host.State(domain.uuid);
  if (!state.ok()) return state.status();
  std::vector<LintFinding> views[2];
  for (const LibvirtView view : {LibvirtView::kDefined, LibvirtView::kRunning}) {
    const bool defined = view == LibvirtView::kDefined;
    if (defined ? !state->persistent : !state->running) continue;
    const absl::StatusOr<std::string> xml = host.DumpXml(domain.uuid, view);
    if (!xml.ok()) return xml.status();
    views[defined ? 0 : 1] =
        LintDomain(domain.name, defined ? "defined" : "running", *xml, agent, socket);
  }
  std::vector<LintFinding> found = MergeViews(std::move(views[0]), std::move(views[1]));
  // A domain that has nothing but a device of the kernel is none of ours.
  const bool foreign = std::all_of(found.begin(), found.end(), [](const LintFinding& finding) {
    return finding.code == "kernel-device";
  });
  if (foreign) found.clear();
  return found;
}

}  // namespace

void LookAtDomains(const Subject& subject, Report* report) {
  if (!HasLibvirt(subject.machine)) return report->Passed("libvirt does not run here");
  const absl::StatusOr<std::unique_ptr<LibvirtHost>> host = subject.machine.libvirt();
  if (!host.ok()) return report->Unknown(host.status().message());
  const absl::StatusOr<std::vector<LibvirtName>> domains = (*host)->Domains();
  if (!domains.ok()) return report->Unknown(domains.status().message());
  const config::v1::HostAgent& config = subject.service.agent;
  const absl::StatusOr<v1::GetStatusResponse> agent =
      subject.machine.agent_status(config.control());
  // Without the agent only its first socket is known to be right.
  std::string socket;
  if (!agent.ok() && config.listeners_size() > 0) socket = config.listeners(0).path();
  for (const LibvirtName& domain : *domains) {
    const absl::StatusOr<std::vector<LintFinding>> found =
        LintOne(**host, domain, agent.ok() ? &*agent : nullptr, socket);
    if (!found.ok()) {
      report->Unknown(absl::StrCat("domain ", domain.name, ": ", found.status().message()));
      continue;
    }
    for (const LintFinding& finding : *found) {
      Trouble trouble = {.what = absl::StrCat("domain ", finding.domain, " (", finding.view,
                                              "): ", finding.message),
                         .why = "see entropyctl libvirt lint: " + finding.code,
                         .mend = finding.remedy};
      IsBroken(finding.code) ? report->Broken(std::move(trouble))
                             : report->Warn(std::move(trouble));
    }
  }
  report->Passed(absl::StrCat(domains->size(), " domains"));
}

}  // namespace entropyd::doctor
