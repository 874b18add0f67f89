// As long as it lives, the calling thread may lock next to no memory, as in a unit without
// LimitMEMLOCK= and without CAP_IPC_LOCK. The limit is the whole process's.
//
// Thread safety: it belongs to the thread that made it.
#pragma once

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace entropyd {

class WithoutLocks {
 public:
  WithoutLocks() {
    EXPECT_EQ(getrlimit(RLIMIT_MEMLOCK, &limit_), 0);
    const rlimit less = {4096, limit_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_MEMLOCK, &less), 0);
    EXPECT_EQ(syscall(SYS_capget, &whose_, capabilities_), 0);
    __user_cap_data_struct fewer[2] = {capabilities_[0], capabilities_[1]};
    fewer[0].effective &= ~(1u << CAP_IPC_LOCK);
    EXPECT_EQ(syscall(SYS_capset, &whose_, fewer), 0);
  }
  ~WithoutLocks() {
    EXPECT_EQ(syscall(SYS_capset, &whose_, capabilities_), 0);
    EXPECT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit_), 0);
  }
  WithoutLocks(const WithoutLocks&) = delete;
  WithoutLocks& operator=(const WithoutLocks&) = delete;

 private:
  rlimit limit_;
  __user_cap_header_struct whose_ = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct capabilities_[2];
};

}  // namespace entropyd
