#include "base/process/harden_process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/base/process/in_child.h"

namespace entropyd {
namespace {

// entropyctl: the programs that it starts are to be as they always are.
TEST(HardenProcessTest, ForbiddenDumpsLeaveChildrenTheirLimitAndTheirPrivileges) {
  const std::string said = InChild([] {
    rlimit before = {1, 1};
    getrlimit(RLIMIT_CORE, &before);
    const int privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    const absl::Status status = ForbidDumps();
    rlimit core = {1, 1};
    getrlimit(RLIMIT_CORE, &core);
    const bool as_before =
        core.rlim_max == before.rlim_max && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == privileges;
    return absl::StrCat(status.ToString(), " dumpable ", prctl(PR_GET_DUMPABLE), " core ",
                        core.rlim_cur, as_before ? " else as before" : " and more");
  });
  EXPECT_EQ(said, "OK dumpable 0 core 0 else as before");
}

TEST(HardenProcessTest, M21_ForbidsDumpsTracingAndNewPrivileges) {
  const std::string said = InChild([] {
    const absl::Status status = HardenProcess();
    rlimit core = {1, 1};
    getrlimit(RLIMIT_CORE, &core);
    return absl::StrCat(status.ToString(), " dumpable ", prctl(PR_GET_DUMPABLE), " privs ",
                        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), " core ", core.rlim_cur, " ",
                        core.rlim_max);
  });
  EXPECT_EQ(said, "OK dumpable 0 privs 1 core 0 0");
}

}  // namespace
}  // namespace entropyd
