#include "base/crypto/vdso_random.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "tests/child_bytes.h"

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
  const Bytes others =
      ChildBytes(32, [&](absl::Span<uint8_t> bytes) { return random.Fill(bytes); });
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
