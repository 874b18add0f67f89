// `entropyctl doctor`: what is wrong with the entropyd of this machine, and what mends it.
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/doctor/doctor.h"
#include "client/show/json_text.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

using doctor::Examination;
using doctor::Finding;
using doctor::Remark;
using doctor::Role;
using doctor::Severity;

// A fix that was tried.
struct Tried {
  doctor::Fix fix;
  absl::Status result;
};

// On a terminal: one line that says what is looked at, and goes at the end.
class ChecksProgress {
 public:
  explicit ChecksProgress(bool wanted) : wanted_(wanted && isatty(STDERR_FILENO) != 0) {}
  ~ChecksProgress() { Show(""); }
  void Show(absl::string_view check) {
    if (!wanted_) return;
    std::cerr << "\r\x1b[K" << (check.empty() ? "" : "looking at ") << check << std::flush;
  }

 private:
  const bool wanted_;
};

Examination Look(const ClientFlags& flags, const DoctorOptions& options, bool json) {
  ChecksProgress progress(!json);
  doctor::ExamineOptions how;
  how.choice = {options.server_config, options.agent_config};
  // A client.yaml that cannot be read is no fault of a service.
  const absl::StatusOr<config::v1::Client> client = LoadClient(flags);
  if (client.ok()) how.client_cert = client->tls().cert();
  how.progress = [&progress](absl::string_view check) { progress.Show(check); };
  return Examine(doctor::ThisMachine(), how);
}

std::vector<Tried> FixAll(const Examination& examination) {
  std::vector<Tried> tried;
  for (const Finding& finding : examination.report.findings()) {
    if (!finding.trouble.fix.has_value()) continue;
    tried.push_back({*finding.trouble.fix, Apply(*finding.trouble.fix)});
  }
  return tried;
}

const char* Word(Severity severity) { return severity == Severity::kBroken ? "broken" : "warning"; }

void PrintTried(const std::vector<Tried>& tried) {
  for (const Tried& one : tried) {
    Print(absl::StrCat("fix: ", OneLine(one.fix.command()), ": ",
                       one.result.ok() ? "done" : OneLine(one.result.message()), "\n"));
  }
  if (tried.empty()) Print("fix: nothing here can be mended without you\n");
}

void PrintFinding(const Finding& finding) {
  const size_t columns = ScreenColumns();
  Print(absl::StrCat(
      Sentence(
          absl::StrCat(Word(finding.severity), ": ", finding.check, ": ", finding.trouble.what),
          columns),
      "\n", "  ", Sentence(absl::StrCat("why: ", finding.trouble.why), columns), "\n"));
  // It is to be copied, so it is never broken.
  if (!finding.trouble.mend.empty()) {
    Print(absl::StrCat("  mend: ", OneLine(finding.trouble.mend), "\n"));
  }
}

std::string Count(size_t number, absl::string_view one, absl::string_view many) {
  return absl::StrCat(number, " ", number == 1 ? one : many);
}

void PrintAll(const Examination& examination, bool verbose) {
  const doctor::Report& report = examination.report;
  for (const doctor::Service& service : examination.services) {
    Print(absl::StrCat(service.word(), ": ", OneLine(service.config_path), "\n"));
  }
  for (const Finding& finding : report.findings()) PrintFinding(finding);
  for (const Remark& remark : report.unknown()) {
    Print(Sentence(absl::StrCat("unknown: ", remark.check, ": ", remark.text), ScreenColumns()) +
          "\n");
  }
  for (const Remark& remark : report.passed()) {
    if (verbose) Print(absl::StrCat("ok: ", remark.check, ": ", OneLine(remark.text), "\n"));
  }
  Print(absl::StrCat(Count(report.findings().size(), "finding", "findings"), ", ",
                     Count(report.unknown().size(), "check", "checks"), " could not look, ",
                     report.passed().size(), " passed\n"));
}

std::string RemarksJson(const std::vector<Remark>& remarks) {
  std::vector<std::string> all;
  all.reserve(remarks.size());
  for (const Remark& remark : remarks) {
    all.push_back(JsonObject().Set("check", remark.check).Set("text", remark.text).ToString());
  }
  return JsonArray(all);
}

std::string ExaminationJson(const Examination& examination, const std::vector<Tried>& tried) {
  std::vector<std::string> services, findings, fixes;
  for (const doctor::Service& service : examination.services) {
    services.push_back(
        JsonObject().Set("service", service.word()).Set("config", service.config_path).ToString());
  }
  for (const Finding& finding : examination.report.findings()) {
    findings.push_back(JsonObject()
                           .Set("check", finding.check)
                           .Set("severity", Word(finding.severity))
                           .Set("what", finding.trouble.what)
                           .Set("why", finding.trouble.why)
                           .Set("mend", finding.trouble.mend)
                           .Set("fixable", finding.trouble.fix.has_value())
                           .ToString());
  }
  for (const Tried& one : tried) {
    fixes.push_back(JsonObject()
                        .Set("command", one.fix.command())
                        .Set("done", one.result.ok())
                        .Set("error", one.result.message())
                        .ToString());
  }
  return JsonObject()
      .SetRaw("services", JsonArray(services))
      .SetRaw("findings", JsonArray(findings))
      .SetRaw("unknown", RemarksJson(examination.report.unknown()))
      .SetRaw("passed", RemarksJson(examination.report.passed()))
      .SetRaw("fixes", JsonArray(fixes))
      .ToString();
}

}  // namespace

int RunDoctor(const ClientFlags& flags, const DoctorOptions& options, bool json) {
  Examination examination = Look(flags, options, json);
  std::vector<Tried> tried;
  if (options.fix) {
    tried = FixAll(examination);
    if (!json) PrintTried(tried);
    // What is told is what is left.
    if (!tried.empty()) examination = Look(flags, options, json);
  }
  if (json) {
    PrintJson(ExaminationJson(examination, tried));
  } else {
    PrintAll(examination, options.verbose);
  }
  return doctor::ExitStatusOf(examination.report);
}

}  // namespace entropyd
