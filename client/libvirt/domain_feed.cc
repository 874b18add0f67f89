#include "client/libvirt/domain_feed.h"

#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/libvirt/libvirt_domain.h"
#include "client/libvirt/domain_choice.h"
#include "client/show/text_diff.h"

namespace entropyd {
namespace {

using Edit = absl::FunctionRef<absl::StatusOr<DomainEdit>(const std::string& xml)>;

// The kernel of a guest releases a virtio device within a second, unless it hangs.
constexpr int kRests = 50;

absl::Status CheckState(const std::string& domain, const LibvirtState& state, bool live) {
  if (live && !state.running) {
    return absl::FailedPreconditionError(absl::StrCat(
        domain, " does not run; leave out --live: its next start uses the definition"));
  }
  if (!live && !state.persistent) {
    return absl::FailedPreconditionError(absl::StrCat(
        domain, " is transient, it has no definition; --live changes the running domain"));
  }
  return absl::OkStatus();
}

absl::Status EditDefinition(LibvirtHost& host, const LibvirtName& domain, bool dry_run, Edit edit,
                            FeedReport* report) {
  const absl::StatusOr<std::string> xml = host.DumpXml(domain.uuid, LibvirtView::kDefined);
  if (!xml.ok()) return xml.status();
  if (absl::Status same = CheckDomain(domain, *xml); !same.ok()) return same;
  absl::StatusOr<DomainEdit> edited = edit(*xml);
  if (!edited.ok()) return edited.status();
  report->notes = edited->notes;
  if (edited->changes.empty()) return absl::OkStatus();
  report->diff = UnifiedDiff(absl::StrCat(domain.name, " (defined)"), edited->before,
                             absl::StrCat(domain.name, " (new)"), edited->xml);
  report->defined = std::move(edited->changes);
  if (dry_run) return absl::OkStatus();
  const absl::StatusOr<std::string> again = host.DumpXml(domain.uuid, LibvirtView::kDefined);
  if (!again.ok()) return again.status();
  if (*again != *xml) {
    return absl::AbortedError(absl::StrCat(
        domain.name, ": somebody else is changing its definition; nothing was done, try again"));
  }
  return host.Define(edited->xml);
}

// Adds to an error of the running domain what happened to the definition.
absl::Status BesideDefinition(const absl::Status& status, const FeedReport& report,
                              const std::string& hint = "") {
  if (status.ok()) return status;
  return absl::Status(
      status.code(),
      absl::StrCat(status.message(), hint,
                   report.state.persistent ? "\n  the definition is right, and is used from "
                                             "the domain's next start"
                                           : ""));
}

absl::Status FeedRunning(LibvirtHost& host, const LibvirtName& domain, const FeedOptions& options,
                         FeedReport* report) {
  const absl::StatusOr<std::string> xml = host.DumpXml(domain.uuid, LibvirtView::kRunning);
  if (!xml.ok()) return xml.status();
  if (absl::Status same = CheckDomain(domain, *xml); !same.ok()) return same;
  const auto read = ParseLibvirtDomain(*xml);
  if (!read.ok()) return read.status();
  const std::string& wanted = options.feed.pool_class;
  // Before the device: the agent reads the metadata when QEMU connects.
  if (read->class_name != wanted) {
    report->running.push_back(absl::StrCat(
        "metadata: class ", wanted,
        read->class_name.empty() ? "" : absl::StrCat(" (was ", read->class_name, ")")));
    if (!options.dry_run) {
      const absl::Status set = host.SetMetadata(domain.uuid, ClassElementXml(wanted));
      if (!set.ok()) return BesideDefinition(set, *report);
    }
  }
  const std::vector<std::string> devices = FedRngXmls(*xml, options.feed.socket);
  if (devices.empty()) {
    report->running.push_back(
        absl::StrCat("rng: added, fed from ", options.feed.socket, " (hot-plugged)"));
    if (options.dry_run) return absl::OkStatus();
    const absl::Status attached = host.AttachDevice(domain.uuid, FedRngXml(options.feed.socket));
    return BesideDefinition(attached, *report,
                            absl::StrContains(attached.message(), "PCI slots")
                                ? "\n  a q35 machine needs a free pcie-root-port to plug into"
                                : "");
  }
  const auto edit = SetFeed(*xml, options.feed);
  if (!edit.ok()) return edit.status();
  for (const std::string& change : edit->changes) {
    if (!absl::StartsWith(change, "rng: ")) continue;
    report->notes.push_back(
        absl::StrCat("a device cannot be changed while it runs, from the next start on: ", change));
  }
  return absl::OkStatus();
}

absl::Status UnfeedRunning(LibvirtHost& host, const LibvirtName& domain, const FeedOptions& options,
                           FeedReport* report) {
  const absl::StatusOr<std::string> xml = host.DumpXml(domain.uuid, LibvirtView::kRunning);
  if (!xml.ok()) return xml.status();
  if (absl::Status same = CheckDomain(domain, *xml); !same.ok()) return same;
  const auto edit = RemoveFeed(*xml, options.feed.socket);
  if (!edit.ok()) return edit.status();
  report->running = edit->changes;
  if (options.dry_run || edit->changes.empty()) return absl::OkStatus();
  for (const std::string& device : FedRngXmls(*xml, options.feed.socket)) {
    const absl::Status detached = host.DetachDevice(domain.uuid, device);
    if (!detached.ok()) return BesideDefinition(detached, *report);
  }
  for (int i = 0;; ++i) {
    const absl::StatusOr<std::string> now = host.DumpXml(domain.uuid, LibvirtView::kRunning);
    if (!now.ok()) return now.status();
    if (FedRngXmls(*now, options.feed.socket).empty()) break;
    if (i == kRests) {
      return BesideDefinition(
          absl::DeadlineExceededError(absl::StrCat(domain.name,
                                                   ": the guest did not release the device; look "
                                                   "whether it is still booting, or stuck")),
          *report);
    }
    options.rest();
  }
  const bool had_class = absl::StartsWith(edit->changes.front(), "metadata: ");
  if (!had_class) return absl::OkStatus();
  return BesideDefinition(host.SetMetadata(domain.uuid, ""), *report);
}

absl::StatusOr<FeedReport> Change(LibvirtHost& host, const LibvirtName& domain,
                                  const FeedOptions& options, Edit edit,
                                  absl::FunctionRef<absl::Status(FeedReport*)> change_running) {
  const absl::StatusOr<LibvirtState> state = host.State(domain.uuid);
  if (!state.ok()) return state.status();
  if (absl::Status status = CheckState(domain.name, *state, options.live); !status.ok())
    return status;
  FeedReport report;
  report.state = *state;
  if (state->persistent) {
    absl::Status status = EditDefinition(host, domain, options.dry_run, edit, &report);
    if (!status.ok()) return status;
  }
  if (options.live) {
    if (absl::Status status = change_running(&report); !status.ok()) return status;
  } else if (state->running && !report.defined.empty()) {
    report.notes.push_back(
        absl::StrCat(domain.name,
                     " runs, and stays as it is until it is shut down and started; --live "
                     "changes it now"));
  }
  return report;
}

}  // namespace

absl::StatusOr<FeedReport> FeedDomain(LibvirtHost& host, const LibvirtName& domain,
                                      const FeedOptions& options) {
  return Change(
      host, domain, options, [&](const std::string& xml) { return SetFeed(xml, options.feed); },
      [&](FeedReport* report) { return FeedRunning(host, domain, options, report); });
}

absl::StatusOr<FeedReport> UnfeedDomain(LibvirtHost& host, const LibvirtName& domain,
                                        const FeedOptions& options) {
  return Change(
      host, domain, options,
      [&](const std::string& xml) { return RemoveFeed(xml, options.feed.socket); },
      [&](FeedReport* report) { return UnfeedRunning(host, domain, options, report); });
}

}  // namespace entropyd
