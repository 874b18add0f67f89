#include "server/rpc/admin_audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

void Write(Log* log, const AdminAudit::Action& action, const std::string& outcome) {
  // As a change, it is worth a line on a quiet log, too.
  log->Write(LogLevel::kWarning, "admin.call",
             {{"call", action.call},
              {"by", action.by},
              {"peer", action.peer},
              {"target", action.target},
              {"before", action.before},
              {"after", action.after},
              {"outcome", outcome}});
}

}  // namespace

absl::Status AdminAudit::Check(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  const std::filesystem::path file(path);
  if (!file.is_absolute()) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is not an absolute path"));
  }
  std::error_code error;
  if (std::filesystem::is_directory(file.parent_path(), error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", file.parent_path().string(), "' is no directory; make it first"));
}

absl::StatusOr<std::unique_ptr<AdminAudit>> AdminAudit::Open(const std::string& path,
                                                             LogFormat format, const Clock* clock,
                                                             Log* log) {
  std::unique_ptr<AdminAudit> audit(new AdminAudit(log));
  if (path.empty()) return audit;
  const std::string what = absl::StrCat("open audit_log ", path);
  // A FIFO that nobody reads does not open at once, and a link could lead anywhere.
  audit->file_.reset(open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!audit->file_) return ErrnoStatus(errno, what);
  struct stat info = {};
  if (fstat(audit->file_.get(), &info) != 0) return ErrnoStatus(errno, what);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": it is no regular file"));
  }
  audit->own_ = std::make_unique<Log>(clock, audit->file_.get());
  audit->own_->SetFormat(format);
  return audit;
}

void AdminAudit::Tell(const Action& action, const absl::Status& outcome) {
  const std::string text = outcome.ok() ? "OK" : outcome.ToString();
  Write(log_, action, text);
  if (own_ != nullptr) Write(own_.get(), action, text);
}

absl::Status AuditedCall::End(absl::Status outcome) const {
  if (!std::exchange(state_->told, true)) state_->audit->Tell(state_->action, outcome);
  return outcome;
}

}  // namespace entropyd
