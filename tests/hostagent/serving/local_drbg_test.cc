#include "hostagent/serving/local_drbg.h"

#include <memory>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kOneDrbgSeed = CtrDrbg::kSeedBytes;

class LocalDrbgTest : public testing::Test {
 protected:
  void Seed(uint64_t first = 0) { drbg_->SetAside(StreamBytes(first, kOneDrbgSeed)); }
  Bytes Generate(size_t n) {
    Bytes out(n);
    status_ = drbg_->Generate(absl::MakeSpan(out));
    return out;
  }

  ManualClock clock_{kSecondNanos};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(1 << 16, SecretArena::Locking::kBestEffort).value();
  bool kernel_works_ = true;
  std::unique_ptr<LocalDrbg> drbg_ = LocalDrbg::Create(
                                         "default/gold", SeedProvider::Create().value(),
                                         [this](absl::Span<uint8_t> out) {
                                           for (uint8_t& byte : out) byte = 7;
                                           return kernel_works_;
                                         },
                                         arena_.get(), &clock_)
                                         .value();
  absl::Status status_;
};

TEST_F(LocalDrbgTest, ItIsReadyWhenAWholeSeedWasSetAside) {
  EXPECT_EQ(drbg_->SetAside(StreamBytes(0, kOneDrbgSeed - 1)), kOneDrbgSeed - 1);
  EXPECT_FALSE(drbg_->ready());
  EXPECT_EQ(drbg_->SetAside(StreamBytes(kOneDrbgSeed - 1, 100)), 1u);
  EXPECT_TRUE(drbg_->ready());
  EXPECT_EQ(drbg_->SetAside(StreamBytes(200, 100)), 0u) << "there is one";
}

TEST_F(LocalDrbgTest, ASeedServesOneLossAndANewOneEndsWhatTheLastHasBegun) {
  Seed();
  ASSERT_TRUE(drbg_->Begin().ok());
  const Bytes first = Generate(64);
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(drbg_->bytes(), 64u);
  ASSERT_TRUE(drbg_->Begin().ok()) << "it goes on";
  EXPECT_NE(Generate(64), first);
  Seed();
  ASSERT_TRUE(drbg_->Begin().ok());
  EXPECT_EQ(Generate(64), first) << "the same seed and the same kernel: it has begun anew";
  drbg_->Forget();
  EXPECT_FALSE(drbg_->ready());
}

TEST_F(LocalDrbgTest, WithoutTheKernelItNeitherBeginsNorGoesOn) {
  Seed();
  kernel_works_ = false;
  EXPECT_FALSE(drbg_->Begin().ok());
  EXPECT_FALSE(drbg_->ready()) << "all is forgotten";
  kernel_works_ = true;
  Seed();
  ASSERT_TRUE(drbg_->Begin().ok());
  kernel_works_ = false;
  Generate(64);
  EXPECT_FALSE(status_.ok());
  EXPECT_FALSE(drbg_->ready());
  EXPECT_EQ(drbg_->bytes(), 0u);
}

TEST_F(LocalDrbgTest, TheCeilingBoundsWhatMayBeTakenFromTheBeginningOn) {
  drbg_->SetCeil(100);
  Seed();
  clock_.AdvanceNanos(kHourNanos);
  ASSERT_TRUE(drbg_->Begin().ok());
  EXPECT_EQ(drbg_->Room(), 0u) << "what was not used before is not saved";
  EXPECT_EQ(drbg_->NextNanos(1'000), clock_.NowNanos() + 640 * kMillisecondNanos);
  EXPECT_EQ(drbg_->NextNanos(5), clock_.NowNanos() + 50 * kMillisecondNanos);
  clock_.AdvanceNanos(640 * kMillisecondNanos);
  EXPECT_EQ(drbg_->RoomFor(1'000), 64u);
  EXPECT_EQ(drbg_->RoomFor(10), 10u);
  Generate(64);
  EXPECT_EQ(drbg_->Room(), 0u);
}

TEST_F(LocalDrbgTest, WithoutACeilingItGivesAllAndPauses) {
  Seed();
  ASSERT_TRUE(drbg_->Begin().ok());
  EXPECT_EQ(drbg_->Room(), LocalDrbg::kPassBytes);
  EXPECT_EQ(drbg_->RoomFor(1 << 20), size_t{1} << 20);
  Generate(1);
  EXPECT_EQ(drbg_->NextNanos(1), clock_.NowNanos() + LocalDrbg::kPauseNanos);
}

}  // namespace
}  // namespace entropyd
