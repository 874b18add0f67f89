#include "base/process/lock_memory.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

bool MayLockAnything() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  return (sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

}  // namespace

absl::Status LockMemory() {
  rlimit limit = {};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur != RLIM_INFINITY && !MayLockAnything()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("lock all memory of the process: RLIMIT_MEMLOCK is ", limit.rlim_cur,
                     " bytes; set LimitMEMLOCK=infinity in the unit, raise `ulimit -l` to "
                     "unlimited, or grant CAP_IPC_LOCK"));
  }
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
    const absl::Status status = ErrnoStatus(errno, "lock all memory of the process (mlockall)");
    return absl::ResourceExhaustedError(
        absl::StrCat(status.message(), "; allow mlockall(2) in the unit (SystemCallFilter=)"));
  }
  return absl::OkStatus();
}

}  // namespace entropyd
