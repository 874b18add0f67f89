#include "base/process/harden_process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

#include "base/process/fd.h"

namespace entropyd {

absl::Status ForbidDumps() {
  rlimit no_core = {};
  getrlimit(RLIMIT_CORE, &no_core);
  no_core.rlim_cur = 0;
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return ErrnoStatus(errno, "forbid core dumps");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return ErrnoStatus(errno, "prctl PR_SET_DUMPABLE");
  return absl::OkStatus();
}

absl::Status HardenProcess() {
  if (absl::Status status = ForbidDumps(); !status.ok()) return status;
  const rlimit no_core = {0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return ErrnoStatus(errno, "forbid core dumps");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "prctl PR_SET_NO_NEW_PRIVS");
  }
  return absl::OkStatus();
}

}  // namespace entropyd
