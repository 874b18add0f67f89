#include "base/process/lock_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/process/in_child.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

void LimitLocking(rlim_t bytes) {
  const rlimit limit = {bytes, bytes};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(2);
  constexpr uid_t kNobody = 65534;
  if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(3);
}

std::string VmFlagsOfPage(const void* page) {
  std::ifstream smaps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t start = 0, end = 0;
    if (sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
      here = start <= reinterpret_cast<uintptr_t>(page) && reinterpret_cast<uintptr_t>(page) < end;
    }
    if (here && absl::StartsWith(line, "VmFlags:")) return absl::StrCat(line, " ");
  }
  return "no such mapping";
}

TEST(LockMemoryTest, WhatIsMappedLaterIsLockedTooAndTakesNoMemoryBeforeItIsUsed) {
  ASSERT_EQ(geteuid(), 0u) << "it needs CAP_IPC_LOCK; run the test as root";
  const std::string said = InChild([] {
    const absl::Status status = LockMemory();
    constexpr size_t kBytes = size_t{1} << 30;
    auto* const later = static_cast<unsigned char*>(
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    unsigned char resident = 0;
    mincore(later, 1, &resident);
    return absl::StrCat(status.ToString(), " resident ", int{resident} & 1, VmFlagsOfPage(later));
  });
  EXPECT_THAT(said, AllOf(HasSubstr("OK resident 0"), HasSubstr(" lo ")));
}

TEST(LockMemoryTest, ALimitInBytesIsRefusedWithTheRemedyAndNothingIsLocked) {
  const std::string said = InChild([] {
    LimitLocking(64 << 10);
    const absl::Status status = LockMemory();
    std::ifstream lines("/proc/self/status");
    for (std::string line; std::getline(lines, line);) {
      if (absl::StartsWith(line, "VmLck:")) return absl::StrCat(status.ToString(), line);
    }
    return status.ToString();
  });
  EXPECT_THAT(said,
              AllOf(HasSubstr("RESOURCE_EXHAUSTED"), HasSubstr("RLIMIT_MEMLOCK is 65536 bytes"),
                    HasSubstr("LimitMEMLOCK=infinity"), HasSubstr(" 0 kB")));
}

}  // namespace
}  // namespace entropyd
