#include "base/crypto/vdso_random.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Next(VdsoRandom* random, size_t bytes) {
  Bytes out(bytes);
  EXPECT_TRUE(random->Fill(absl::MakeSpan(out)));
  return out;
}

TEST(VdsoRandomTest, IsInTheVdsoOfEachKernelThatHasIt) {
  utsname kernel;
  ASSERT_EQ(uname(&kernel), 0);
  int major = 0, minor = 0;
  ASSERT_EQ(sscanf(kernel.release, "%d.%d", &major, &minor), 2) << kernel.release;
  const bool has_it = major > 6 || (major == 6 && minor >= 11);
  EXPECT_EQ(VdsoRandom().is_in_vdso(), has_it) << kernel.release;
}

TEST(VdsoRandomTest, NothingComesTwiceWhateverItsLength) {
  VdsoRandom random, another;
  std::set<Bytes> seen;
  for (size_t bytes : {16, 31, 32, 33, 64, 96, 97, 255, 4'096, 70'000}) {
    for (VdsoRandom* from : {&random, &another, &random}) {
      Bytes next = Next(from, bytes);
      // 16 zeros in a row come once in 2^128.
      EXPECT_NE(Bytes(next.end() - 16, next.end()), Bytes(16)) << bytes;
      next.resize(16);
      EXPECT_TRUE(seen.insert(next).second) << bytes;
    }
  }
}

TEST(VdsoRandomTest, AChildDoesNotGoOnWhereItsParentIs) {
  VdsoRandom random;
  Next(&random, 32);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    uint8_t bytes[32];
    const bool filled = random.Fill(absl::MakeSpan(bytes));
    _exit(filled && write(ends[1], bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
  }
  close(ends[1]);
  Bytes others(32);
  EXPECT_EQ(read(ends[0], others.data(), others.size()), 32);
  close(ends[0]);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(Next(&random, 32), others);
}

TEST(VdsoRandomTest, LockedMemoryIsNotInItsWay) {
  const bool before = VdsoRandom().is_in_vdso();
  ASSERT_EQ(mlockall(MCL_FUTURE), 0);
  {
    VdsoRandom random;
    EXPECT_EQ(random.is_in_vdso(), before);
    EXPECT_NE(Next(&random, 32), Next(&random, 32));
  }
  EXPECT_EQ(munlockall(), 0);
}

}  // namespace
}  // namespace entropyd
