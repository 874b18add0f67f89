#include "hostagent/serving/kept_seed.h"

#include <memory>
#include <vector>

#include "base/crypto/seed_provider.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kOneSeed = CtrDrbg::kSeedBytes;
constexpr int64_t kSetAside = 9 * kSecondNanos;

class KeptSeedTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(seed_.Allocate(arena_.get()).ok()); }

  bool Kernel(absl::Span<uint8_t> out) {
    for (uint8_t& byte : out) byte = 0xa5;
    return kernel_gives_;
  }
  absl::Status Instantiate() {
    return seed_.Instantiate(
        drbg_.get(), [this](absl::Span<uint8_t> out) { return Kernel(out); }, "local x");
  }
  // What the DRBG gives that was seeded with `from`, mixed with the kernel's.
  Bytes Expected(Bytes from) {
    for (uint8_t& byte : from) byte ^= 0xa5;
    auto drbg = CtrDrbg::Create(provider_.get()).value();
    EXPECT_TRUE(drbg->Instantiate(from, "local x").ok());
    return Give(drbg.get());
  }
  static Bytes Give(CtrDrbg* drbg) {
    Bytes out(64);
    EXPECT_TRUE(drbg->Generate(absl::MakeSpan(out), {}).ok());
    return out;
  }

  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(1 << 16, SecretArena::Locking::kBestEffort).value();
  std::shared_ptr<const SeedProvider> provider_ = SeedProvider::Create().value();
  std::unique_ptr<CtrDrbg> drbg_ = CtrDrbg::Create(provider_.get()).value();
  bool kernel_gives_ = true;
  KeptSeed seed_;
};

TEST_F(KeptSeedTest, ItTakesWhatItLacksAndNoMore) {
  EXPECT_FALSE(seed_.complete());
  EXPECT_EQ(seed_.SetAside(StreamBytes(0, 30), kSetAside), 30u);
  EXPECT_FALSE(seed_.complete());
  EXPECT_EQ(seed_.SetAside(StreamBytes(30, 100), kSetAside), kOneSeed - 30);
  EXPECT_TRUE(seed_.complete());
  EXPECT_EQ(seed_.SetAside(StreamBytes(130, 100), kSetAside), 0u);
}

TEST_F(KeptSeedTest, TheDrbgGetsItMixedWithTheKernelsAndOnce) {
  seed_.SetAside(StreamBytes(0, kOneSeed), kSetAside);
  ASSERT_TRUE(Instantiate().ok());
  EXPECT_EQ(Give(drbg_.get()), Expected(StreamBytes(0, kOneSeed)));
  EXPECT_FALSE(seed_.complete());
  EXPECT_EQ(seed_.SetAside(StreamBytes(0, 100), kSetAside), kOneSeed) << "the next one begins";
}

TEST_F(KeptSeedTest, AnOldOneIsReplacedInOneStep) {
  seed_.SetAside(StreamBytes(0, kOneSeed), kSetAside);
  const int64_t old = kSetAside + KeptSeed::kMaxAgeNanos;
  EXPECT_EQ(seed_.SetAside(StreamBytes(500, kOneSeed), old - 1), 0u);
  EXPECT_EQ(seed_.SetAside(StreamBytes(500, kOneSeed - 1), old), 0u) << "there is always a seed";
  EXPECT_TRUE(seed_.complete());
  EXPECT_EQ(seed_.SetAside(StreamBytes(500, kOneSeed), old), kOneSeed);
  EXPECT_EQ(seed_.SetAside(StreamBytes(900, kOneSeed), old + 1), 0u) << "it is young again";
  ASSERT_TRUE(Instantiate().ok());
  EXPECT_EQ(Give(drbg_.get()), Expected(StreamBytes(500, kOneSeed)));
}

TEST_F(KeptSeedTest, WithoutTheKernelsBytesNoDrbgIsSeeded) {
  seed_.SetAside(StreamBytes(0, kOneSeed), kSetAside);
  kernel_gives_ = false;
  EXPECT_TRUE(absl::IsUnavailable(Instantiate()));
  EXPECT_FALSE(drbg_->instantiated());
}

TEST_F(KeptSeedTest, WhatIsForgottenIsNoSeed) {
  seed_.SetAside(StreamBytes(0, kOneSeed), kSetAside);
  seed_.Forget();
  EXPECT_FALSE(seed_.complete());
  seed_.SetAside(StreamBytes(700, kOneSeed), kSetAside);
  ASSERT_TRUE(Instantiate().ok());
  EXPECT_EQ(Give(drbg_.get()), Expected(StreamBytes(700, kOneSeed)));
}

}  // namespace
}  // namespace entropyd
