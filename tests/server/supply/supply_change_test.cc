// A supply that takes another configuration while its sources feed its pools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/supply/supply.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// With real threads on the real clock.
class SupplyChangeTest : public ::testing::Test {
 protected:
  static constexpr char kSoft[] = "  - {name: soft, driver: getrandom}\n";
  static constexpr char kMore[] = "  - {name: more, driver: getrandom}\n";

  static std::string Yaml(const std::string& sources, const std::string& pools) {
    return absl::StrCat("tls: {cert: c, key: k, client_ca: a}\nallow_software: true\nsources:\n",
                        sources, "pools:\n", pools);
  }
  static std::string Pool(const std::string& name, const std::string& keys) {
    return absl::StrCat("  - {name: ", name, ", ", keys,
                        ", classes: [{name: root, rate: 1MiB/s}]}\n");
  }

  void SetUp() override {
    const std::string yaml = Yaml(kSoft, Pool("default", "sources: [soft]"));
    ASSERT_TRUE(config::Parse(yaml, "server.yaml", &config_, &locations_).ok());
    supply_ = Supply::Create(config_, locations_, arena_.get(), &clock_, &log_, &metrics_).value();
    Listen(supply_->FindPool("default"));
    ASSERT_TRUE(supply_->Start().ok());
    ASSERT_TRUE(Await([&] { return supply_->FindPool("default")->State().ready(); }));
  }
  void TearDown() override { supply_->Stop(); }

  void Listen(entropyd::Pool* pool) {
    pool->SetChangeCallback([this] {
      absl::MutexLock lock(&mutex_);
      ++changes_;
    });
  }
  // Waits until `condition` holds. It looks whenever a pool calls back, and in between, because a
  // source does not.
  bool Await(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    int seen = -1;
    while (!condition()) {
      absl::MutexLock lock(&mutex_);
      const auto changed = [&] { return changes_ != seen; };
      mutex_.AwaitWithTimeout(absl::Condition(&changed), absl::Milliseconds(10));
      if (absl::Now() > deadline) return false;
      seen = changes_;
    }
    return true;
  }
  absl::StatusOr<std::unique_ptr<SupplyChange>> Prepare(const std::string& sources,
                                                        const std::string& pools) {
    config::v1::Server config;
    config::Locations locations;
    const absl::Status parsed =
        config::Parse(Yaml(sources, pools), "server.yaml", &config, &locations);
    EXPECT_TRUE(parsed.ok()) << parsed;
    return supply_->Prepare(config, locations);
  }
  void Take(const std::string& sources, const std::string& pools) {
    absl::StatusOr<std::unique_ptr<SupplyChange>> change = Prepare(sources, pools);
    ASSERT_TRUE(change.ok()) << change.status();
    for (const std::string& name : (*change)->pools.added) Listen((*change)->NewPool(name));
    (*change)->Apply();
  }
  v1::Source SourceNow(const std::string& name) {
    for (const v1::Source& source : supply_->ListSources()) {
      if (source.name() == name) return source;
    }
    return {};
  }
  bool IsReady(const std::string& name) { return supply_->FindPool(name)->State().ready(); }
  static int64_t Threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                         std::filesystem::directory_iterator());
  }

  SystemClock clock_;
  FakeLog log_{&clock_};
  Metrics metrics_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  config::v1::Server config_;
  config::Locations locations_;
  absl::Mutex mutex_;
  int changes_ = 0;
  std::unique_ptr<Supply> supply_;
};

TEST_F(SupplyChangeTest, APreparedChangeThatIsDroppedHasChangedNothing) {
  {
    const auto change = Prepare(absl::StrCat(kMore, "  - {name: soft, driver: jitter}\n"),
                                Pool("other", "sources: [soft, more]"));
    ASSERT_TRUE(change.ok()) << change.status();
    EXPECT_THAT((*change)->sources.added, ElementsAre("more"));
    EXPECT_THAT((*change)->sources.changed, ElementsAre("soft"));
    EXPECT_THAT((*change)->pools.added, ElementsAre("other"));
    EXPECT_THAT((*change)->pools.removed, ElementsAre("default"));
    EXPECT_FALSE((*change)->NewPool("other")->State().ready());
    EXPECT_EQ((*change)->NewPool("default"), nullptr);
  }
  EXPECT_EQ(supply_->ListSources().size(), 1u);
  EXPECT_TRUE(IsReady("default"));
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("other")));
}

TEST_F(SupplyChangeTest, AMistakeIsToldWithItsPlace) {
  const auto change = Prepare(kSoft, Pool("default", "sources: [sofd]"));
  EXPECT_EQ(change.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(change.status().message()),
              HasSubstr("server.yaml:6:31: pools[0].sources[0]: no source is called 'sofd'"));
}

TEST_F(SupplyChangeTest, WhatStaysGoesOnAsIfNothingHadHappened) {
  const uint64_t generation = supply_->FindPool("default")->State().seed_generation;
  const double began = SourceNow("soft").history(0).unix_seconds();
  const entropyd::Pool* const pool = supply_->FindPool("default");
  for (int i = 0; i < 3; ++i) Take(kSoft, Pool("default", "sources: [soft]"));
  EXPECT_EQ(supply_->FindPool("default"), pool);
  EXPECT_TRUE(IsReady("default"));
  EXPECT_EQ(pool->State().seed_generation, generation);
  EXPECT_EQ(pool->State().discard_epoch, 0u);
  EXPECT_EQ(SourceNow("soft").startups(), 1u);
  EXPECT_EQ(SourceNow("soft").history(0).unix_seconds(), began);
}

TEST_F(SupplyChangeTest, ASourceThatComesSeedsThePoolAndOneThatGoesLeavesNothing) {
  Take(absl::StrCat(kSoft, kMore), Pool("default", "sources: [soft, more]"));
  EXPECT_TRUE(IsReady("default"));
  ASSERT_TRUE(Await([&] { return SourceNow("more").state() == v1::SOURCE_STATE_HEALTHY; }));
  Take(kMore, Pool("default", "sources: [more]"));
  ASSERT_TRUE(Await([&] { return IsReady("default"); }));
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("source=\"soft\"")));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("source=\"more\""));
  absl::Status status;
  supply_->TestSource("soft", false, [&](absl::StatusOr<v1::Source> s) { status = s.status(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(supply_->RecordSource("soft", nullptr).code(), absl::StatusCode::kNotFound);
}

TEST_F(SupplyChangeTest, ASourceWithOtherKeysIsAnotherSource) {
  ASSERT_EQ(SourceNow("soft").startups(), 1u);
  const uint64_t read = SourceNow("soft").raw_bytes();
  ASSERT_GT(read, 0u);
  Take("  - {name: soft, driver: getrandom, max_rate: 64KiB/s}\n",
       Pool("default", "sources: [soft]"));
  EXPECT_EQ(supply_->ListSources().size(), 1u);
  ASSERT_TRUE(Await([&] { return SourceNow("soft").state() == v1::SOURCE_STATE_HEALTHY; }));
  EXPECT_TRUE(Await([&] { return IsReady("default"); }));
  EXPECT_EQ(SourceNow("soft").startups(), 1u) << "of its own";
}

TEST_F(SupplyChangeTest, WhoWaitsForASourceThatGoesIsAnswered) {
  absl::Mutex mutex;
  absl::StatusOr<v1::Source> answer = absl::UnknownError("none");
  bool answered = false;
  supply_->TestSource("soft", false, [&](absl::StatusOr<v1::Source> s) {
    absl::MutexLock lock(&mutex);
    answer = std::move(s);
    answered = true;
  });
  Take(kMore, Pool("default", "sources: [more]"));
  EXPECT_TRUE(Await([&] {
    absl::MutexLock lock(&mutex);
    return answered;
  }));
  absl::MutexLock lock(&mutex);
  if (!answer.ok()) {
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr("it has ended"));
  }
}

TEST_F(SupplyChangeTest, APoolComesAndGoes) {
  Take(kSoft, absl::StrCat(Pool("default", "sources: [soft]"), Pool("other", "sources: [soft]")));
  ASSERT_NE(supply_->FindPool("other"), nullptr);
  EXPECT_TRUE(Await([&] { return IsReady("other"); }));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("pool=\"other\""));
  Take(kSoft, Pool("default", "sources: [soft]"));
  EXPECT_EQ(supply_->FindPool("other"), nullptr);
  EXPECT_EQ(supply_->ListPools().size(), 1u);
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("pool=\"other\"")));
  EXPECT_TRUE(IsReady("default"));
}

TEST_F(SupplyChangeTest, APoolOfAnotherQualityIsAnotherPool) {
  const std::string full = "sources: [soft], quality: full, capacity: 4KiB";
  const auto change = Prepare(kSoft, Pool("default", full));
  ASSERT_TRUE(change.ok());
  EXPECT_THAT((*change)->pools.added, ElementsAre("default"));
  EXPECT_THAT((*change)->pools.removed, ElementsAre("default"));
  Take(kSoft, Pool("default", full));
  EXPECT_TRUE(Await([&] { return supply_->FindPool("default")->Available() > 0; }));
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("entropyd_pool_info{pool=\"default\",quality=\"full\"} 1"));
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("quality=\"drbg\"")));
}

TEST_F(SupplyChangeTest, HundredChangesLeaveNothingBehind) {
  const int64_t threads = Threads();
  const std::string pool = Pool("default", "sources: [soft]");
  for (int i = 0; i < 50; ++i) {
    Take(absl::StrCat(kSoft, kMore),
         absl::StrCat(Pool("default", "sources: [soft, more]"),
                      Pool("other", "sources: [more], quality: full, capacity: 4KiB")));
    EXPECT_TRUE(IsReady("default")) << i;
    Take(kSoft, pool);
    EXPECT_TRUE(IsReady("default")) << i;
  }
  EXPECT_LT(Threads(), threads + 25) << "those of others come and go, too";
  EXPECT_EQ(supply_->FindPool("default")->State().discard_epoch, 0u);
  std::vector<uint8_t> out(16384);
  EXPECT_TRUE(supply_->FindPool("default")->NewReader()->Read(absl::MakeSpan(out), 0).ok());
}

// Whoever leaves may need a while, and the ticker works meanwhile.
TEST_F(SupplyChangeTest, ASourceThatComesIsBegunOnceHoweverLongAnotherTakesToLeave) {
  const auto slow = [](int rate) {
    std::string sources = kSoft;
    for (int i = 0; i < 16; ++i) {
      absl::StrAppend(&sources, "  - {name: jitter", i, ", driver: jitter, max_rate: ", rate,
                      "KiB/s}\n");
    }
    return sources;
  };
  const std::string pool = Pool("default", "sources: [soft]");
  for (int round = 0; round < 12; ++round) Take(slow(100 + round % 2), pool);
  EXPECT_TRUE(Await([&] { return SourceNow("jitter15").state() == v1::SOURCE_STATE_HEALTHY; }))
      << SourceNow("jitter15").DebugString();
}

TEST_F(SupplyChangeTest, ASourceThatGetsNoThreadIsToldOnceAndStartsWhenItCan) {
  {
    const NoMoreThreads full;
    Take(absl::StrCat(kSoft, kMore), Pool("default", "sources: [soft, more]"));
    EXPECT_EQ(log_.Count("source.not_started"), 1);
    EXPECT_TRUE(IsReady("default"));
  }
  EXPECT_TRUE(Await([&] { return SourceNow("more").raw_bytes() > 0; }));
  EXPECT_EQ(log_.Count("source.not_started"), 1);
}

TEST_F(SupplyChangeTest, ASupplyWithoutAThreadOfItsOwnDoesNotStart) {
  Metrics of_its_own;
  const auto other =
      Supply::Create(config_, locations_, arena_.get(), &clock_, &log_, &of_its_own).value();
  const NoMoreThreads full;
  EXPECT_TRUE(absl::IsResourceExhausted(other->Start()));
}

}  // namespace
}  // namespace entropyd
