// Who did what as an operator: a line for each call that changes the server or lets raw samples
// out, whether it succeeded or not. Calls that only read are not logged. Denied calls are logged at
// most once in ten seconds for each identity and each kind of call, with a count. This includes
// calls that only read.
//
//   event=admin.call call=ResetSource by=spiffe://dc1/operator/ann peer=ipv4:10.0.0.7:40112
//   target=trng before=latched after=healthy outcome=OK
//
//   AuditedCall call(audit, {.call = "ResetSource", ...});
//   call.action()->after = "healthy";
//   reactor->Finish(ToGrpc(call.End(status)));        // told before the caller hears of it
//
// The line goes to the log and, if one is configured, to a file that holds only these lines. A
// rotation may rename or remove the file: the next line goes to a new one under the same name. It
// may copy and truncate it as well.
//
// Errors: Open() tells why the file cannot be written. Lines that a full disk does not take are
// dropped, and the file says how many. When no new file can be opened after a rotation, the log
// says so with each line (`audit.failed`), and the lines go to the old file.
//
// Thread safety: AdminAudit is safe; an AuditedCall belongs to one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"

namespace entropyd {

class AdminAudit {
 public:
  struct Action {
    std::string call;
    // The operator's identity, and where the call came from.
    std::string by;
    std::string peer;
    // What the call was about. Names are checked, or excerpts of what was asked for.
    std::string target;
    // "" where there is no such thing.
    std::string before;
    std::string after;
  };

  // For --check-config: makes nothing. Errors: INVALID_ARGUMENT when there can be no such file.
  static absl::Status Check(const std::string& path);
  // `path` may be empty. Makes the file, mode 0600, when it is missing. Errors: as ErrnoStatus;
  // FAILED_PRECONDITION when it is no regular file. Clock and log outlive the audit.
  static absl::StatusOr<std::unique_ptr<AdminAudit>> Open(const std::string& path, LogFormat format,
                                                          const Clock* clock, Log* log);

  ~AdminAudit();

  void Tell(const Action& action, const absl::Status& outcome);

  // A call that was not let in. Target and states are empty.
  void TellDenied(const Action& action, const absl::Status& denied);

  // From now on the lines go where `other` would write them.
  void Become(std::unique_ptr<AdminAudit> other);

 private:
  struct File;

  AdminAudit(const std::string& path, LogFormat format, const Clock* clock, Log* log);
  absl::StatusOr<std::unique_ptr<File>> OpenFile() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Opens another file when the path does not lead to this one any more.
  void FollowRotation() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // To both.
  void Write(const Action& action, const absl::Status& outcome, LineCount count);

  const Clock* const clock_;
  Log* const log_;
  LineLimit denials_;
  absl::Mutex mutex_;
  std::string path_ ABSL_GUARDED_BY(mutex_);
  LogFormat format_ ABSL_GUARDED_BY(mutex_);
  // Null without a path.
  std::unique_ptr<File> file_ ABSL_GUARDED_BY(mutex_);
  // The one before the last rotation. It is closed at the next one: its lines have left by then, so
  // that nobody waits for them.
  std::unique_ptr<File> rotated_ ABSL_GUARDED_BY(mutex_);
};

// One call of an operator. It is logged once, when it has ended. Copies are the same call, so that
// a callback may hold one.
class AuditedCall {
 public:
  // The audit outlives it.
  AuditedCall(AdminAudit* audit, AdminAudit::Action action)
      : state_(std::make_shared<State>(audit, std::move(action))) {}

  // What will be told. Fill it in until the end.
  AdminAudit::Action* action() const { return &state_->action; }
  // Tells of the call, unless that was done before. Returns `outcome`, for the caller.
  absl::Status End(absl::Status outcome) const;

 private:
  struct State {
    State(AdminAudit* a, AdminAudit::Action b) : audit(a), action(std::move(b)) {}
    AdminAudit* const audit;
    AdminAudit::Action action;
    bool told = false;
  };
  std::shared_ptr<State> state_;
};

}  // namespace entropyd
