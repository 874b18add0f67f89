#include "server/rpc/admin_audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/process/state_dir.h"

namespace entropyd {
namespace {

// A count of 0 is not told.
void WriteTo(Log* log, const AdminAudit::Action& action, const std::string& outcome,
             LineCount count) {
  if (count > 0) {
    log->Write(LogLevel::kWarning, "admin.call",
               {{"call", action.call},
                {"by", action.by},
                {"peer", action.peer},
                {"outcome", outcome},
                {count.key(), count.events}});
    return;
  }
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

// Lines are appended to a file and to nothing else: a FIFO that nobody reads would keep them, and a
// link could lead anywhere.
absl::Status CheckKind(const std::string& path, const struct stat& found) {
  if (S_ISREG(found.st_mode)) return absl::OkStatus();
  const char* const kind = S_ISLNK(found.st_mode)    ? "a link"
                           : S_ISDIR(found.st_mode)  ? "a directory"
                           : S_ISFIFO(found.st_mode) ? "a FIFO"
                                                     : "no regular file";
  return absl::FailedPreconditionError(absl::StrCat(
      "'", path, "' is ", kind, "; name a file, which is made when it is missing, or remove it"));
}

}  // namespace

absl::Status AdminAudit::Check(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  const std::filesystem::path file(path);
  if (!file.is_absolute()) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is not an absolute path"));
  }
  std::error_code error;
  if (!std::filesystem::is_directory(file.parent_path(), error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", file.parent_path().string(), "' is no directory; make it first"));
  }
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) {
    return CheckPlaceFor(path, file.parent_path());
  }
  const absl::Status kind = CheckKind(path, found);
  return kind.ok() ? kind : absl::InvalidArgumentError(kind.message());
}

struct AdminAudit::File {
  File(UniqueFd opened, const struct stat& info, const Clock* clock)
      : fd(std::move(opened)), device(info.st_dev), inode(info.st_ino), log(clock, fd.get()) {}

  const UniqueFd fd;
  const dev_t device;
  const ino_t inode;
  Log log;
};

AdminAudit::AdminAudit(const std::string& path, LogFormat format, const Clock* clock, Log* log)
    : clock_(clock), log_(log), path_(path), format_(format) {}

AdminAudit::~AdminAudit() = default;

absl::StatusOr<std::unique_ptr<AdminAudit>> AdminAudit::Open(const std::string& path,
                                                             LogFormat format, const Clock* clock,
                                                             Log* log) {
  std::unique_ptr<AdminAudit> audit(new AdminAudit(path, format, clock, log));
  if (path.empty()) return audit;
  absl::MutexLock lock(&audit->mutex_);
  absl::StatusOr<std::unique_ptr<File>> file = audit->OpenFile();
  if (!file.ok()) return file.status();
  audit->file_ = *std::move(file);
  return audit;
}

absl::StatusOr<std::unique_ptr<AdminAudit::File>> AdminAudit::OpenFile() const {
  const std::string what = absl::StrCat("open audit_log ", path_);
  // A FIFO that nobody reads does not open at once, and a link could lead anywhere.
  UniqueFd fd(open(path_.c_str(),
                   O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat info = {};
  if (!fd) {
    const int error = errno;
    if (lstat(path_.c_str(), &info) == 0) {
      if (absl::Status kind = CheckKind(path_, info); !kind.ok()) return kind;
    }
    const absl::Status status = ErrnoStatus(error, what);
    return absl::Status(status.code(), absl::StrCat(status.message(), "; let the server's user ",
                                                    "write the file and its directory"));
  }
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, what);
  if (absl::Status kind = CheckKind(path_, info); !kind.ok()) return kind;
  auto file = std::make_unique<File>(std::move(fd), info, clock_);
  file->log.SetFormat(format_);
  return file;
}

void AdminAudit::FollowRotation() {
  struct stat info = {};
  if (lstat(path_.c_str(), &info) == 0 && info.st_dev == file_->device &&
      info.st_ino == file_->inode) {
    return;
  }
  absl::StatusOr<std::unique_ptr<File>> file = OpenFile();
  if (!file.ok()) {
    log_->Error("audit.failed",
                {{"error", file.status()},
                 {"remedy", "mend it; until then lines go to the file that was moved or removed"}});
    return;
  }
  rotated_ = std::exchange(file_, *std::move(file));
}

void AdminAudit::Become(std::unique_ptr<AdminAudit> other) {
  absl::MutexLock lock(&mutex_);
  absl::MutexLock other_lock(&other->mutex_);
  path_ = other->path_;
  format_ = other->format_;
  rotated_ = std::exchange(file_, std::move(other->file_));
}

void AdminAudit::Tell(const Action& action, const absl::Status& outcome) {
  Write(action, outcome, {});
}

void AdminAudit::TellDenied(const Action& action, const absl::Status& denied) {
  const LineCount count =
      denials_.Ask(absl::StrCat(action.by, " ", action.call), clock_->NowNanos());
  if (count > 0) Write(action, denied, count);
}

void AdminAudit::Write(const Action& action, const absl::Status& outcome, LineCount count) {
  const std::string text = outcome.ok() ? "OK" : outcome.ToString();
  WriteTo(log_, action, text, count);
  absl::MutexLock lock(&mutex_);
  if (file_ == nullptr) return;
  FollowRotation();
  WriteTo(&file_->log, action, text, count);
}

absl::Status AuditedCall::End(absl::Status outcome) const {
  if (!std::exchange(state_->told, true)) state_->audit->Tell(state_->action, outcome);
  return outcome;
}

}  // namespace entropyd
