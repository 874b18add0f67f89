// One device behind two sources of a pool: it counts once, also while it is pulled out or moves
// from one source to the other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/telemetry/metrics.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class SharedDeviceTest : public ::testing::Test {
 protected:
  // A source, and what its driver finds.
  struct Named {
    FakeDevice device;
    std::unique_ptr<Source> source;
  };

  void Make(uint32_t min_groups) {
    EntropyPool::Options options;
    options.name = "default";
    options.members = {
        {.source = "a", .group = "a", .root = "token 'a'", .min_entropy = 4},
        {.source = "b", .group = "b", .root = "token 'b'", .min_entropy = 4},
    };
    options.min_healthy_groups = min_groups;
    options.reseed_interval_nanos = kMinuteNanos;
    options.max_seed_age_nanos = 10 * kMinuteNanos;
    pool_ = EntropyPool::Create(options, provider_.get(), arena_.get(), &clock_, &log_, &metrics_)
                .value();
    MakeSource(&a_, options.members[0], 0);
    MakeSource(&b_, options.members[1], 1);
  }
  void MakeSource(Named* named, const EntropyPool::Member& member, int index) {
    SourceSpec spec;
    spec.name = member.source;
    spec.driver = "fake";
    spec.identity.root = member.root;
    spec.identity.claims = {.group = member.group,
                            .min_entropy = 4,
                            .health_min_entropy = 4,
                            .word_bytes = 4,
                            .max_rate = 100'000,
                            .read_bytes = 64};
    HealthMonitor test =
        HealthMonitor::Create({.min_entropy = 4, .word_bytes = 4}, arena_.get()).value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    named->device.generator.seed(static_cast<unsigned>(index));
    named->source = std::make_unique<Source>(spec, std::make_unique<FakeDriver>(&named->device),
                                             std::move(test), std::move(held), &clock_, &log_);
    named->source->AddSink(pool_.get(), index);
  }
  static void Plug(Named* named) {
    named->device.open = named->device.read = absl::OkStatus();
    named->device.root = "token of maker, serial number 4711";
  }
  static void Unplug(Named* named) {
    named->device.open = absl::NotFoundError("no such token");
    named->device.read = absl::UnavailableError("the device is removed");
    named->device.root = "";
  }
  void RunFor(absl::Duration duration) {
    const int64_t end = clock_.NowNanos() + absl::ToInt64Nanoseconds(duration);
    while (clock_.NowNanos() < end) {
      const absl::Duration wait = std::min(a_.source->Step(), b_.source->Step());
      clock_.Advance(std::max(wait, absl::Microseconds(10)));
    }
    pool_->Tick();
  }

  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  Metrics metrics_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(8 << 20, SecretArena::Locking::kBestEffort).value();
  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  std::unique_ptr<EntropyPool> pool_;
  Named a_, b_;
};

TEST_F(SharedDeviceTest, M7_ADeviceUnderTwoNamesServesOnWhenItIsPulledOut) {
  Make(1);
  for (Named* named : {&a_, &b_}) Plug(named);
  RunFor(absl::Seconds(1));
  ASSERT_TRUE(pool_->State().ready()) << pool_->State().Text();
  ASSERT_EQ(pool_->Snapshot().healthy_groups(), 1u);
  for (Named* named : {&a_, &b_}) Unplug(named);
  RunFor(absl::Seconds(3));
  EXPECT_THAT(pool_->State().Text(), HasSubstr("is gone"));
  EXPECT_TRUE(pool_->State().ready())
      << "its seed is good for ten minutes: " << pool_->State().Text();
  EXPECT_EQ(pool_->State().discard_epoch, 0u);
}

TEST_F(SharedDeviceTest, M7_ADeviceThatMovesFromOneSourceToTheOtherCountsOnce) {
  Make(2);
  Plug(&a_);
  Unplug(&b_);
  RunFor(absl::Seconds(1));
  ASSERT_THAT(pool_->State().Text(), HasSubstr("1 of 2 groups"));
  Unplug(&a_);
  RunFor(absl::Seconds(2));
  Plug(&b_);
  RunFor(absl::Seconds(3));
  ASSERT_EQ(b_.source->Snapshot().state(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_FALSE(pool_->State().ready()) << "both seeds come from one device";
}

}  // namespace
}  // namespace entropyd
