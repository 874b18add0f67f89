// Keeps the kernel from giving away the memory of a process that holds secrets.
//
//   if (absl::Status status = HardenProcess(); !status.ok()) return Fail(status);   // first of all
//
// Errors: as ErrnoStatus.
//
// Thread safety: functions on the whole process; call them before there are other threads.
#pragma once

#include "absl/status/status.h"

namespace entropyd {

// No core dumps and no ptrace by the same user (PR_SET_DUMPABLE 0, soft RLIMIT_CORE 0). Programs
// that it starts may raise their limit again. entropyctl calls it first.
absl::Status ForbidDumps();

// The same, for good (hard RLIMIT_CORE 0), and no new privileges (PR_SET_NO_NEW_PRIVS). The main()
// of both daemons calls it before the first secret is read.
absl::Status HardenProcess();

}  // namespace entropyd
