#include "hostagent/serving/waits.h"

#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

std::vector<uint64_t> Counted(const std::vector<int64_t>& waits) {
  std::vector<uint64_t> counts(kWaitBuckets);
  for (int64_t nanos : waits) ++counts[WaitBucket(nanos)];
  return counts;
}

TEST(WaitsTest, BoundsAreInclusiveAndWhatIsBeyondHasItsBucket) {
  EXPECT_EQ(WaitBucket(0), 0u);
  EXPECT_EQ(WaitBucket(10'000), 0u);
  EXPECT_EQ(WaitBucket(10'001), 1u);
  EXPECT_EQ(WaitBucket(60 * kSecondNanos), kWaitBuckets - 2);
  EXPECT_EQ(WaitBucket(60 * kSecondNanos + 1), kWaitBuckets - 1);
}

TEST(WaitsTest, QuantilesLieInTheirBucket) {
  EXPECT_EQ(WaitQuantile(Counted({}), 0.5), 0);
  const std::vector<uint64_t> counts = Counted({9'000, 9'000, 9'000, 2 * kSecondNanos});
  EXPECT_LE(WaitQuantile(counts, 0.5), 1e-5);
  EXPECT_GT(WaitQuantile(counts, 0.99), 1);
  EXPECT_LE(WaitQuantile(counts, 0.99), 2.5);
  EXPECT_EQ(WaitQuantile(Counted({100 * kSecondNanos}), 0.99), 60);
}

TEST(WaitsTest, AConnectionsWaitsAreCountedAndSummed) {
  WaitCounts waits;
  waits.Observe(WaitBucket(9'000), 9'000);
  waits.Observe(WaitBucket(kSecondNanos), kSecondNanos);
  EXPECT_EQ(waits.counts[0], 1u);
  EXPECT_EQ(waits.counts[WaitBucket(kSecondNanos)], 1u);
  EXPECT_EQ(waits.sum_nanos, kSecondNanos + 9'000);
}

}  // namespace
}  // namespace entropyd
