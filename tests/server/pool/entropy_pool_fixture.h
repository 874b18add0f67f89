// A pool of three sources: two of them form a group each, and the third one has no credit. The test
// plays the sources, moves the clock, and reads.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <vector>

#include "base/process/clock.h"
#include "base/telemetry/metrics.h"
#include "server/pool/entropy_pool.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {

inline constexpr absl::Duration kReseed = absl::Seconds(60);
inline constexpr absl::Duration kMaxAge = absl::Minutes(10);

class EntropyPoolFixture : public ::testing::Test {
 protected:
  // Members 0 and 1 form a group each and are worth 4 bits per byte: 144 bytes make a block.
  static constexpr size_t kBlockSamples = 144;

  void Make(v1::Quality quality, uint32_t min_groups = 1, size_t capacity = 4096) {
    EntropyPool::Options options;
    options.name = "default";
    options.quality = quality;
    options.members = members_;
    options.min_healthy_groups = min_groups;
    options.capacity_bytes = capacity;
    options.reseed_interval_nanos = absl::ToInt64Nanoseconds(kReseed);
    options.max_seed_age_nanos = absl::ToInt64Nanoseconds(kMaxAge);
    options.max_bytes_per_seed = max_bytes_per_seed_;
    pool_ = EntropyPool::Create(options, provider_.get(), arena_.get(), &clock_, &log_, &metrics_)
                .value();
    pool_->SetChangeCallback([this] { ++changes_; });
    pool_->SetWakeCallback([this] { ++wakes_; });
    reader_ = pool_->NewReader();
  }

  void Healthy(int member) { pool_->SetSourceState(member, v1::SOURCE_STATE_HEALTHY); }

  double Add(int member, size_t bytes) {
    std::vector<uint8_t> samples(bytes);
    for (uint8_t& b : samples) b = static_cast<uint8_t>(generator_());
    return pool_->Add(member, samples);
  }

  absl::Status Read(size_t bytes, std::vector<uint8_t>* out = nullptr) {
    std::vector<uint8_t> buffer(bytes, 0xee);
    absl::Status status =
        reader_->Read(absl::MakeSpan(buffer), pool_->State().discard_epoch).status();
    if (!status.ok()) {
      EXPECT_EQ(buffer, std::vector<uint8_t>(bytes, 0)) << "wiped on error";
    }
    if (out != nullptr) *out = buffer;
    return status;
  }

  void ReadyWithOneGroup() {
    Healthy(0);
    Add(0, kBlockSamples);
    ASSERT_TRUE(pool_->State().ready()) << pool_->State().Text();
  }
  void ReadyWithTwoGroups() {
    for (int member : {0, 1}) {
      Healthy(member);
      Add(member, kBlockSamples);
    }
    ASSERT_TRUE(pool_->State().ready());
    ASSERT_FALSE(pool_->State().degraded());
  }

  ManualClock clock_{1'000'000'000};
  FakeLog log_{&clock_};
  Metrics metrics_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(256 << 10, SecretArena::Locking::kBestEffort).value();
  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  std::vector<EntropyPool::Member> members_ = {
      {.source = "trng0", .group = "board", .min_entropy = 4},
      {.source = "cpu", .group = "cpu", .min_entropy = 4},
      {.source = "soft", .group = "host", .min_entropy = 0, .software = true},
  };
  uint64_t max_bytes_per_seed_ = EntropyPool::kMaxBytesPerSeed;
  std::mt19937_64 generator_{7};
  std::atomic<int> changes_{0};
  std::atomic<int> wakes_{0};
  std::unique_ptr<EntropyPool> pool_;
  std::unique_ptr<PoolReader> reader_;
};

}  // namespace entropyd
