#include "client/doctor/report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text/quoting.h"

namespace entropyd::doctor {
namespace {

// Of `server.config` and `agent.config`, which run all checks of the programs themselves.
constexpr absl::string_view kConfigCheck = ".config";

}  // namespace

std::string Fix::command() const {
  const std::string octal = absl::StrFormat("%04o", mode);
  if (kind == Kind::kMode) return absl::StrCat("chmod ", octal, " ", ShellWord(path));
  return absl::StrCat("install -d -m ", octal, owner == 0 ? "" : absl::StrCat(" -o ", owner), " ",
                      ShellWord(path));
}

Report::Report(std::function<void(absl::string_view)> progress) : progress_(std::move(progress)) {}

void Report::Begin(absl::string_view check) {
  check_ = std::string(check);
  if (progress_) progress_(check);
}

void Report::Broken(Trouble trouble) {
  if (trouble.mend.empty() && trouble.fix.has_value()) trouble.mend = trouble.fix->command();
  findings_.push_back({check_, Severity::kBroken, std::move(trouble)});
}

void Report::Warn(Trouble trouble) {
  Broken(std::move(trouble));
  findings_.back().severity = Severity::kWarning;
}

void Report::Passed(absl::string_view text) { passed_.push_back({check_, std::string(text)}); }

void Report::Unknown(absl::string_view text) { unknown_.push_back({check_, std::string(text)}); }

// The programs' own checks see much of what a check of ours sees, and say less about it.
bool Report::Repeats(const Finding& finding) const {
  if (!absl::EndsWith(finding.check, kConfigCheck)) return false;
  const std::string service = finding.check.substr(0, finding.check.find('.') + 1);
  return std::any_of(findings_.begin(), findings_.end(), [&](const Finding& other) {
    if (other.check == finding.check || !absl::StartsWith(other.check, service)) return false;
    return (!other.trouble.key.empty() && other.trouble.key == finding.trouble.key) ||
           absl::StrContains(finding.trouble.what, other.trouble.what);
  });
}

void Report::Finish() {
  std::vector<Finding> told;
  for (const Finding& finding : findings_) {
    if (!Repeats(finding)) told.push_back(finding);
  }
  findings_ = std::move(told);
  std::stable_sort(findings_.begin(), findings_.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  const auto found = [this](const Remark& remark) {
    return std::any_of(findings_.begin(), findings_.end(),
                       [&](const Finding& finding) { return finding.check == remark.check; });
  };
  passed_.erase(std::remove_if(passed_.begin(), passed_.end(), found), passed_.end());
}

Message SplitRemedy(absl::string_view message) {
  const size_t at = message.rfind("; ");
  if (at == absl::string_view::npos) return {std::string(message), ""};
  return {std::string(message.substr(0, at)), std::string(message.substr(at + 2))};
}

}  // namespace entropyd::doctor
