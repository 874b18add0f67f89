#include "server/supply/supply_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/algorithm/container.h"
#include "base/process/nanos.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Sources whose devices the test plays: `stuck` never returns from its device, `fake` is silent.
class SupplyPartsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    stuck_device_ = &stuck_;
    fake_device_ = &fake_;
    ASSERT_TRUE(parts_.Build(Config({"stuck", "fake"}), Plan({"stuck", "fake"})).ok());
  }
  void TearDown() override {
    if (!stuck_.release.HasBeenNotified()) stuck_.release.Notify();
    for (const SourceEntry& source : parts_.sources()) source.thread->Stop();
  }

  static config::v1::Server Config(const std::vector<std::string>& sources,
                                   uint64_t max_rate = 1'000'000) {
    config::v1::Server config;
    for (const std::string& name : sources) {
      config.add_sources()->set_name(name);
      config.mutable_sources()->rbegin()->set_max_rate(max_rate);
    }
    return config;
  }
  // One pool of all sources.
  static SupplyPlan Plan(const std::vector<std::string>& sources,
                         const std::vector<std::string>& staying = {}) {
    SupplyPlan plan;
    EntropyPool::Options pool;
    pool.name = "default";
    pool.reseed_interval_nanos = kMinuteNanos;
    pool.max_seed_age_nanos = 10 * kMinuteNanos;
    for (size_t i = 0; i < sources.size(); ++i) {
      SourcePlan source;
      source.spec.name = sources[i];
      source.spec.driver = "test";
      source.spec.identity.claims = {
          .group = sources[i], .min_entropy = 4, .health_min_entropy = 4, .max_rate = 1'000'000};
      source.driver = sources[i] == "stuck" ? &kStuck : &kFake;
      source.index = static_cast<int>(i);
      source.stays = absl::c_linear_search(staying, sources[i]);
      plan.sources.push_back(source);
      pool.members.push_back({.source = sources[i], .group = sources[i], .min_entropy = 4});
    }
    plan.pools.push_back(pool);
    return plan;
  }
  SupplyParts::Taken Take(const config::v1::Server& config, SupplyPlan plan) {
    absl::StatusOr<PreparedChange> change = parts_.Prepare(config, std::move(plan));
    EXPECT_TRUE(change.ok()) << change.status();
    return parts_.Take(*std::move(change));
  }
  v1::SourceState StateOf(const std::string& name) {
    return parts_.FindSource(name)->thread->source()->Snapshot().state();
  }

  // Steps the source, whose thread does not run, over a device that gives one byte for ever.
  void Latch(Source* source) {
    fake_.byte_at = [](uint64_t) { return 0x5a; };
    for (int i = 0; i < 100 && source->Snapshot().state() != v1::SOURCE_STATE_LATCHED; ++i) {
      clock_.Advance(source->Step());
    }
    ASSERT_EQ(source->Snapshot().state(), v1::SOURCE_STATE_LATCHED);
  }
  void Latch(const std::string& name) { Latch(parts_.FindSource(name)->thread->source()); }

  static inline StuckDevice* stuck_device_ = nullptr;
  static inline FakeDevice* fake_device_ = nullptr;
  static constexpr DriverEntry kStuck = {
      "test", "", nullptr, nullptr,
      [](const config::v1::SourceConfig&, const SourceIdentity&) -> std::unique_ptr<SourceDriver> {
        return std::make_unique<StuckDriver>(stuck_device_);
      }};
  static constexpr DriverEntry kFake = {
      "test", "", nullptr, nullptr,
      [](const config::v1::SourceConfig&, const SourceIdentity&) -> std::unique_ptr<SourceDriver> {
        return std::make_unique<FakeDriver>(fake_device_);
      }};

  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  Metrics metrics_;
  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(8 << 20, SecretArena::Locking::kBestEffort).value();
  StuckDevice stuck_;
  FakeDevice fake_;
  const SupplyMaker maker_{{.provider = provider_.get(),
                            .arena = arena_.get(),
                            .locking = SecretArena::Locking::kBestEffort,
                            .clock = &clock_,
                            .log = &log_}};
  SupplyParts parts_{&maker_, &metrics_};
};

TEST_F(SupplyPartsTest, ASourceThatHangsHoldsUpNoChangeAndGivesNothingAfterwards) {
  const std::shared_ptr<SourceThread> stuck = parts_.FindSource("stuck")->thread;
  ASSERT_TRUE(stuck->Start().ok());
  stuck_.reading.WaitForNotification();
  const SupplyParts::Taken taken = Take(Config({"fake"}), Plan({"fake"}, {"fake"}));
  EXPECT_THAT(taken.leaving, ElementsAre(stuck));
  EXPECT_FALSE(stuck->ended());
  EXPECT_EQ(parts_.FindSource("stuck"), nullptr);
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("source=\"stuck\"")));
  // Another one has its place in the pool when its device lets it go. The pool hears nothing.
  Take(Config({"fake", "more"}), Plan({"fake", "more"}, {"fake"}));
  stuck_.release.Notify();
  stuck->Stop();
  EXPECT_EQ(stuck->source()->Snapshot().state(), v1::SOURCE_STATE_LATCHED);
  EXPECT_THAT(parts_.FindPool("default")->pool->Snapshot().reason(), HasSubstr("more is starting"));
}

TEST_F(SupplyPartsTest, ASourceThatHangsMayOutliveItsPool) {
  const std::shared_ptr<SourceThread> stuck = parts_.FindSource("stuck")->thread;
  ASSERT_TRUE(stuck->Start().ok());
  stuck_.reading.WaitForNotification();
  SupplyPlan plan = Plan({"fake"}, {"fake"});
  plan.pools[0].name = "other";
  Take(Config({"fake"}), std::move(plan));
  EXPECT_EQ(parts_.FindPool("default"), nullptr);
  stuck_.release.Notify();
  stuck->Stop();
  EXPECT_GT(stuck->source()->Snapshot().raw_bytes(), 0u);
  EXPECT_EQ(stuck->source()->Snapshot().credited_bits(), 0);
}

TEST_F(SupplyPartsTest, AChangedSourceIsReplacedByOneOfItsNameAtOnce) {
  const std::shared_ptr<SourceThread> stuck = parts_.FindSource("stuck")->thread;
  const std::shared_ptr<SourceThread> fake = parts_.FindSource("fake")->thread;
  const SupplyParts::Taken taken =
      Take(Config({"stuck", "fake"}), Plan({"stuck", "fake"}, {"fake"}));
  EXPECT_THAT(taken.leaving, ElementsAre(stuck));
  EXPECT_EQ(parts_.FindSource("fake")->thread, fake) << "it stays";
  ASSERT_EQ(taken.begin.size(), 1u);
  EXPECT_EQ(taken.begin[0].thread, parts_.FindSource("stuck")->thread.get());
  EXPECT_EQ(taken.begin[0].before, stuck);
  EXPECT_NE(parts_.FindSource("stuck")->thread, stuck);
}

TEST_F(SupplyPartsTest, ASourceThatGoesOnInAnotherGroupShowsIt) {
  const std::shared_ptr<SourceThread> fake = parts_.FindSource("fake")->thread;
  SupplyPlan plan = Plan({"fake"}, {"fake"});
  plan.sources[0].spec.identity.claims.group = plan.pools[0].members[0].group = "other";
  Take(Config({"fake"}), std::move(plan));
  EXPECT_EQ(parts_.FindSource("fake")->thread, fake);
  EXPECT_EQ(fake->source()->Snapshot().group(), "other");
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("group=\"other\""));
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("group=\"fake\"")));
}

TEST_F(SupplyPartsTest, OtherKeysDoNotResetALatchedSourceAndAnotherDriverDoes) {
  Latch("fake");
  const std::string reason = parts_.FindSource("fake")->thread->source()->Snapshot().reason();
  Take(Config({"stuck", "fake"}), Plan({"stuck", "fake"}, {"stuck"}));
  EXPECT_EQ(StateOf("fake"), v1::SOURCE_STATE_LATCHED);
  EXPECT_EQ(parts_.FindSource("fake")->thread->source()->Snapshot().reason(), reason);
  SupplyPlan plan = Plan({"stuck", "fake"}, {"stuck"});
  plan.sources[1].spec.driver = "another";
  Take(Config({"stuck", "fake"}), std::move(plan));
  EXPECT_EQ(StateOf("fake"), v1::SOURCE_STATE_STARTING);
}

TEST_F(SupplyPartsTest, AlarmsCountOnInTheNewSource) {
  // Ten equal bytes, now and then: a third alarm latches.
  fake_.byte_at = [this](uint64_t offset) {
    const bool run = offset % 4096 >= 100 && offset % 4096 < 110;
    return static_cast<uint8_t>(run ? 0x5a : fake_.generator());
  };
  const auto run_until_alarms = [this](uint64_t alarms) {
    Source* const source = parts_.FindSource("fake")->thread->source();
    for (int i = 0; i < 10'000 && source->Snapshot().rct_failures() < alarms; ++i) {
      clock_.Advance(source->Step());
    }
    EXPECT_EQ(source->Snapshot().rct_failures(), alarms);
  };
  run_until_alarms(2);
  ASSERT_EQ(StateOf("fake"), v1::SOURCE_STATE_QUARANTINED);
  const SupplyParts::Taken taken =
      Take(Config({"stuck", "fake"}), Plan({"stuck", "fake"}, {"stuck"}));
  ASSERT_EQ(StateOf("fake"), v1::SOURCE_STATE_STARTING);
  SupplyParts::Remember(taken.begin[0]);
  run_until_alarms(1);
  EXPECT_EQ(StateOf("fake"), v1::SOURCE_STATE_LATCHED);
}

TEST_F(SupplyPartsTest, OneThatIsNotLatchedBeginsAtTheStart) {
  fake_.open = absl::NotFoundError("open /dev/fake: no such device");
  parts_.FindSource("fake")->thread->source()->Step();
  ASSERT_EQ(StateOf("fake"), v1::SOURCE_STATE_GONE);
  Take(Config({"stuck", "fake"}), Plan({"stuck", "fake"}, {"stuck"}));
  EXPECT_EQ(StateOf("fake"), v1::SOURCE_STATE_STARTING);
}

TEST_F(SupplyPartsTest, ADroppedChangeHasChangedNothing) {
  ASSERT_TRUE(parts_.Prepare(Config({"fake"}), Plan({"fake"})).ok());
  EXPECT_NE(parts_.FindSource("stuck"), nullptr);
  EXPECT_EQ(parts_.pools().size(), 1u);
}

// Its thread runs on for a moment after its place was taken.
TEST_F(SupplyPartsTest, WhatLatchesASourceThatGoesLatchesTheNewSource) {
  const SupplyParts::Taken taken =
      Take(Config({"stuck", "fake"}, 2'000'000), Plan({"stuck", "fake"}));
  const auto newcomer = absl::c_find_if(taken.begin, [](const SupplyParts::Newcomer& one) {
    return one.thread->source()->spec().name == "fake";
  });
  ASSERT_NE(newcomer, taken.begin.end());
  EXPECT_EQ(StateOf("fake"), v1::SOURCE_STATE_STARTING);
  Latch(newcomer->before->source());
  SupplyParts::Remember(*newcomer);
  EXPECT_EQ(StateOf("fake"), v1::SOURCE_STATE_LATCHED);
  EXPECT_THAT(newcomer->thread->source()->Snapshot().reason(), HasSubstr("rct"));
}

}  // namespace
}  // namespace entropyd
