// `entropyctl libvirt`: lets the host agent feed domains.
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/libvirt/libvirt_domain.h"
#include "client/agent_admin_client.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/libvirt/domain_choice.h"
#include "client/libvirt/domain_edit.h"
#include "client/libvirt/domain_feed.h"
#include "client/libvirt/feed_check.h"
#include "client/process/whole_file.h"
#include "client/show/json_text.h"
#include "client/show/output.h"
#include "client/show/table.h"
#include "client/show/text_diff.h"

namespace entropyd {
namespace {

std::string JsonStrings(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  quoted.reserve(texts.size());
  for (const std::string& text : texts) quoted.push_back(JsonString(text));
  return JsonArray(quoted);
}

absl::StatusOr<v1::GetStatusResponse> AskAgent(const ClientFlags& flags) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return config.status();
  return DialAgent(config->control())->GetStatus();
}

// For messages about the agent; "" = the configuration says no socket.
std::string ControlOf(const ClientFlags& flags) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  return config.ok() ? config->control() : "";
}

// The socket to write into a domain when the user named none: the default one of agents, or the
// only one of this agent.
absl::StatusOr<std::string> ChooseSocket(const v1::GetStatusResponse& agent,
                                         const std::string& named) {
  std::string socket = named.empty() ? kDefaultEgdSocket : named;
  const absl::Status listens = CheckSocket(agent, socket);
  if (listens.ok()) return socket;
  if (named.empty() && agent.listener_size() == 1 && agent.listener(0).path().starts_with('/')) {
    return agent.listener(0).path();  // not a TCP address, not a pipe
  }
  return absl::FailedPreconditionError(absl::StrCat(
      listens.message(),
      "; name one of them with --socket, or add it to `listeners` in agent.yaml and run "
      "`entropyctl agent reload`"));
}

absl::Status Forceable(const absl::Status& status) {
  return absl::FailedPreconditionError(
      absl::StrCat(status.message(), ", or use --force to write it anyway"));
}

// Fills in `feed` and checks it with the agent. With --force it does not ask the agent.
int FillFeed(const ClientFlags& flags, const LibvirtOptions& options, Feed* feed) {
  feed->pool_class = flags.pool_class;
  feed->only = options.only;
  feed->socket = options.socket.empty() ? kDefaultEgdSocket : options.socket;
  if (options.force) return kExitOk;
  const absl::StatusOr<v1::GetStatusResponse> agent = AskAgent(flags);
  if (!agent.ok()) {
    const int status = FailAgent(agent.status(), ControlOf(flags));
    std::cerr
        << "  --force writes the class without asking the agent: for a domain of another host\n";
    return status;
  }
  if (const absl::Status usable = CheckClass(*agent, feed->pool_class); !usable.ok()) {
    return Fail(Forceable(usable));
  }
  absl::StatusOr<std::string> socket = ChooseSocket(*agent, options.socket);
  if (!socket.ok()) return Fail(socket.status());
  feed->socket = *std::move(socket);
  return kExitOk;
}

void PrintList(absl::string_view head, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  Print(absl::StrCat(head, "\n"));
  for (const std::string& line : lines) Print(absl::StrCat("  ", OneLine(line), "\n"));
}

void PrintReport(const std::string& domain, const LibvirtOptions& options,
                 const FeedReport& report) {
  if (options.dry_run) {
    Print(report.diff);
    if (!report.defined.empty() || !report.running.empty()) Print("Nothing was changed.\n");
  }
  PrintList(absl::StrCat(domain, ", definition:"), report.defined);
  PrintList(absl::StrCat(domain, ", running:"), report.running);
  if (report.defined.empty() && report.running.empty()) {
    Print(absl::StrCat(domain, " is already as you asked; nothing had to be changed\n"));
  }
  for (const std::string& note : report.notes) Print(OneLine("note: " + note) + "\n");
}

std::string ReportJson(const std::string& domain, const LibvirtOptions& options,
                       const FeedReport& report) {
  JsonObject json;
  json.Set("domain", domain).Set("dry_run", options.dry_run);
  json.Set("running", report.state.running).Set("persistent", report.state.persistent);
  json.SetRaw("defined_changes", JsonStrings(report.defined));
  json.SetRaw("running_changes", JsonStrings(report.running));
  json.SetRaw("notes", JsonStrings(report.notes));
  if (options.dry_run) json.Set("diff", report.diff);
  return json.ToString();
}

using ChangeDomain = absl::StatusOr<FeedReport> (*)(LibvirtHost&, const LibvirtName&,
                                                    const FeedOptions&);

int Change(ChangeDomain change, const Feed& feed, const LibvirtOptions& options, bool json) {
  const auto host = ConnectVirsh(options.connect);
  if (!host.ok()) return Fail(host.status());
  const absl::StatusOr<std::vector<LibvirtName>> all = (*host)->Domains();
  if (!all.ok()) return Fail(all.status());
  const absl::StatusOr<LibvirtName> domain = ChooseDomain(*all, options.domain);
  if (!domain.ok()) return Fail(domain.status());
  FeedOptions how;
  how.feed = feed;
  how.live = options.live;
  how.dry_run = options.dry_run;
  how.rest = [] { absl::SleepFor(absl::Milliseconds(100)); };
  const absl::StatusOr<FeedReport> report = change(**host, *domain, how);
  if (!report.ok()) return Fail(report.status());
  if (json) {
    PrintJson(ReportJson(domain->name, options, *report));
  } else {
    PrintReport(domain->name, options, *report);
  }
  return kExitOk;
}

// What one view of a domain says.
struct DomainView {
  std::string name;  // defined, running
  std::string xml;
};

struct DomainLook {
  std::string domain;
  std::vector<DomainView> views;
};

// Those that the words mean; all when there is none.
absl::StatusOr<std::vector<LibvirtName>> Choose(LibvirtHost& host,
                                                const std::vector<std::string>& words) {
  absl::StatusOr<std::vector<LibvirtName>> all = host.Domains();
  if (!all.ok() || words.empty()) return all;
  std::vector<LibvirtName> chosen;
  for (const std::string& word : words) {
    absl::StatusOr<LibvirtName> domain = ChooseDomain(*all, word);
    if (!domain.ok()) return domain.status();
    chosen.push_back(*std::move(domain));
  }
  return chosen;
}

absl::StatusOr<std::vector<DomainLook>> Look(LibvirtHost& host,
                                             const std::vector<std::string>& words) {
  const absl::StatusOr<std::vector<LibvirtName>> domains = Choose(host, words);
  if (!domains.ok()) return domains.status();
  std::vector<DomainLook> looks;
  for (const LibvirtName& domain : *domains) {
    const absl::StatusOr<LibvirtState> state = host.State(domain.uuid);
    if (!state.ok()) return state.status();
    DomainLook look{domain.name, {}};
    for (const LibvirtView view : {LibvirtView::kDefined, LibvirtView::kRunning}) {
      const bool defined = view == LibvirtView::kDefined;
      if (defined ? !state->persistent : !state->running) continue;
      absl::StatusOr<std::string> xml = host.DumpXml(domain.uuid, view);
      if (!xml.ok()) return xml.status();
      look.views.push_back({defined ? "defined" : "running", *std::move(xml)});
    }
    looks.push_back(std::move(look));
  }
  return looks;
}

absl::StatusOr<std::vector<DomainLook>> Look(const LibvirtOptions& options) {
  const auto host = ConnectVirsh(options.connect);
  if (!host.ok()) return host.status();
  return Look(**host, options.domains);
}

struct ViewSummary {
  std::string pool_class;
  std::string trouble;
  std::vector<RngDevice> devices;  // their document is gone, so do not use `element`
};

ViewSummary Summarize(const std::string& xml) {
  ViewSummary summary;
  const auto read = ParseLibvirtDomain(xml);
  const auto document = XmlDocument::Parse(xml, "domain XML");
  if (!read.ok() || !document.ok()) {
    summary.trouble =
        std::string(read.ok() ? document.status().message() : read.status().message());
    return summary;
  }
  summary.pool_class = read->class_name;
  summary.trouble = read->class_error;
  summary.devices = RngDevices(document->root());
  for (RngDevice& rng : summary.devices) rng.element = nullptr;
  return summary;
}

std::string ShowJson(const DomainLook& look) {
  std::vector<std::string> views;
  for (const DomainView& view : look.views) {
    const ViewSummary summary = Summarize(view.xml);
    std::vector<std::string> devices;
    for (const RngDevice& rng : summary.devices) {
      JsonObject device;
      device.Set("backend", rng.model).Set("path", rng.path);
      device.Set("reconnect", rng.reconnects).Set("rate", rng.has_rate);
      devices.push_back(device.ToString());
    }
    JsonObject json;
    json.Set("view", view.name).Set("class", summary.pool_class).Set("trouble", summary.trouble);
    json.SetRaw("devices", JsonArray(devices));
    views.push_back(json.ToString());
  }
  JsonObject json;
  json.Set("domain", look.domain).SetRaw("views", JsonArray(views));
  return json.ToString();
}

std::string ShowTable(const std::vector<DomainLook>& looks) {
  Table table({"DOMAIN", "VIEW", "CLASS", "GENERATOR", "RECONNECTS", "RATE", "TROUBLE"});
  for (const DomainLook& look : looks) {
    for (const DomainView& view : look.views) {
      const ViewSummary summary = Summarize(view.xml);
      const std::string named = summary.pool_class.empty() ? "-" : summary.pool_class;
      if (summary.devices.empty()) {
        table.Add({look.domain, view.name, named, "none", "-", "-", summary.trouble});
      }
      for (const RngDevice& rng : summary.devices) {
        table.Add({look.domain, view.name, named, DescribeRng(rng),
                   rng.backend != RngBackend::kEgd ? "-"
                   : rng.reconnects                ? "yes"
                                                   : "NO",
                   rng.has_rate ? "yes" : "-", summary.trouble});
      }
    }
  }
  return table.empty() ? "none\n" : table.ToString();
}

std::string FindingJson(const LintFinding& finding) {
  JsonObject json;
  json.Set("domain", finding.domain).Set("view", finding.view).Set("code", finding.code);
  json.Set("message", finding.message).Set("remedy", finding.remedy);
  return json.ToString();
}

std::vector<LintFinding> LintLook(const DomainLook& look, const v1::GetStatusResponse* agent,
                                  const std::string& socket) {
  std::vector<LintFinding> defined, running;
  for (const DomainView& view : look.views) {
    (view.name == "defined" ? defined : running) =
        LintDomain(look.domain, view.name, view.xml, agent, socket);
  }
  return MergeViews(std::move(defined), std::move(running));
}

absl::StatusOr<std::string> ReadInput(const std::string& file) {
  if (file != "-") return ReadFile(file);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

}  // namespace

int RunLibvirtSet(const ClientFlags& flags, const LibvirtOptions& options, bool json) {
  Feed feed;
  const int status = FillFeed(flags, options, &feed);
  return status == kExitOk ? Change(FeedDomain, feed, options, json) : status;
}

int RunLibvirtRemove(const LibvirtOptions& options, bool json) {
  Feed feed;
  feed.socket = options.socket;
  return Change(UnfeedDomain, feed, options, json);
}

int RunLibvirtShow(const LibvirtOptions& options, bool json) {
  const absl::StatusOr<std::vector<DomainLook>> looks = Look(options);
  if (!looks.ok()) return Fail(looks.status());
  if (json) {
    std::vector<std::string> domains;
    for (const DomainLook& look : *looks) domains.push_back(ShowJson(look));
    PrintJson(JsonArray(domains));
  } else {
    Print(ShowTable(*looks));
  }
  return kExitOk;
}

int RunLibvirtLint(const ClientFlags& flags, const LibvirtOptions& options, bool json) {
  const absl::StatusOr<std::vector<DomainLook>> looks = Look(options);
  if (!looks.ok()) return Fail(looks.status());
  absl::StatusOr<v1::GetStatusResponse> agent = absl::UnavailableError("");
  if (!options.force) {
    agent = AskAgent(flags);
    if (!agent.ok()) {
      const int status = FailAgent(agent.status(), ControlOf(flags));
      std::cerr << "  --force checks the XML only: for domains of another host\n";
      return status;
    }
  }
  std::vector<LintFinding> found;
  for (const DomainLook& look : *looks) {
    for (LintFinding& finding : LintLook(look, agent.ok() ? &*agent : nullptr, options.socket)) {
      found.push_back(std::move(finding));
    }
  }
  if (json) {
    std::vector<std::string> all;
    all.reserve(found.size());
    for (const LintFinding& finding : found) all.push_back(FindingJson(finding));
    JsonObject answer;
    answer.Set("domains", static_cast<uint64_t>(looks->size())).Set("agent_asked", agent.ok());
    PrintJson(answer.SetRaw("findings", JsonArray(all)).ToString());
  } else {
    for (const LintFinding& finding : found) {
      Print(absl::StrCat(OneLine(absl::StrCat(finding.domain, " (", finding.view,
                                              "): ", finding.code, ": ", finding.message)),
                         "\n  mend: ", OneLine(finding.remedy), "\n"));
    }
    Print(absl::StrCat(looks->size(), looks->size() == 1 ? " domain, " : " domains, ", found.size(),
                       found.size() == 1 ? " finding" : " findings", "\n"));
  }
  return found.empty() ? kExitOk : kExitUnhealthy;
}

int RunLibvirtConvert(const LibvirtOptions& options, bool json) {
  const absl::StatusOr<std::string> xml = ReadInput(options.file);
  if (!xml.ok()) return FailFile(xml.status());
  const absl::StatusOr<DomainEdit> edit =
      ConvertPoolBackends(*xml, options.socket.empty() ? kDefaultEgdSocket : options.socket);
  if (!edit.ok()) return Fail(edit.status());
  if (json) {
    JsonObject answer;
    answer.Set("xml", edit->xml).SetRaw("changes", JsonStrings(edit->changes));
    PrintJson(answer.SetRaw("notes", JsonStrings(edit->notes)).ToString());
  } else if (options.dry_run) {
    Print(UnifiedDiff("before", edit->before, "after", edit->xml));
  } else {
    std::cout << edit->xml;
  }
  return kExitOk;
}

}  // namespace entropyd
