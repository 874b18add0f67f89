#include "server/source/leaving_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LeavingSourcesTest : public ::testing::Test {
 protected:
  std::shared_ptr<SourceThread> Make(const std::string& name,
                                     std::unique_ptr<SourceDriver> driver) {
    SourceSpec spec;
    spec.name = name;
    spec.identity.claims.min_entropy = 4;
    spec.identity.claims.health_min_entropy = 4;
    spec.identity.claims.max_rate = 1'000'000;
    HealthMonitor test = HealthMonitor::Create({.min_entropy = 4, .word_bytes = 1}).value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    return std::make_shared<SourceThread>(std::make_unique<Source>(
        spec, std::move(driver), std::move(test), std::move(held), &clock_, &quiet_));
  }
  // A source whose device keeps its thread until `device` lets it go.
  std::shared_ptr<SourceThread> Stuck(const std::string& name, StuckDevice* device) {
    std::shared_ptr<SourceThread> thread = Make(name, std::make_unique<StuckDriver>(device));
    EXPECT_TRUE(thread->Start().ok());
    device->reading.WaitForNotification();
    return thread;
  }
  std::shared_ptr<SourceThread> Quick(const std::string& name) {
    FakeDevice& device = away_.emplace_back();  // each thread has one of its own
    device.open = absl::NotFoundError("open /dev/fake: no such device");
    std::shared_ptr<SourceThread> thread = Make(name, std::make_unique<FakeDriver>(&device));
    EXPECT_TRUE(thread->Start().ok());
    return thread;
  }
  // Until the thread has ended.
  static void Await(const SourceThread& thread) {
    ASSERT_TRUE(thread.AwaitEnd(absl::Now() + absl::Seconds(20)));
  }

  ManualClock clock_{kSecondNanos};
  FakeLog quiet_{&clock_};  // of the sources
  FakeLog log_{&clock_};
  std::list<FakeDevice> away_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  StuckDevice stuck_, other_;
  LeavingSources leaving_{&clock_, &log_};
};

TEST_F(LeavingSourcesTest, AllAreToldToStopAlthoughTheFirstHangs) {
  other_.heeds = true;
  std::shared_ptr<SourceThread> first = Stuck("first", &stuck_), second = Stuck("second", &other_);
  leaving_.Add({first, second});
  EXPECT_FALSE(first->ended());
  EXPECT_TRUE(stuck_.interrupted.HasBeenNotified());
  Await(*second);
  stuck_.release.Notify();
}

TEST_F(LeavingSourcesTest, OneThatHasEndedGoesAlthoughAnotherHangs) {
  std::shared_ptr<SourceThread> quick = Quick("quick");
  const std::weak_ptr<SourceThread> seen = quick;
  leaving_.Add({Stuck("stuck", &stuck_), quick});
  Await(*quick);
  quick.reset();
  EXPECT_FALSE(seen.expired());
  leaving_.Reap();
  EXPECT_TRUE(seen.expired());
  EXPECT_EQ(leaving_.size(), 1u);
  EXPECT_THAT(log_.events(), IsEmpty());
  stuck_.release.Notify();
}

TEST_F(LeavingSourcesTest, AllThatHaveEndedGoTogether) {
  std::vector<std::shared_ptr<SourceThread>> threads = {Quick("one"), Quick("two"), Quick("three")};
  leaving_.Add(threads);
  for (const auto& thread : threads) Await(*thread);
  threads.clear();
  leaving_.Reap();
  EXPECT_EQ(leaving_.size(), 0u);
}

TEST_F(LeavingSourcesTest, OneThatHangsIsToldOnceAndAgainWhenItHasEnded) {
  std::shared_ptr<SourceThread> stuck = Stuck("stuck", &stuck_);
  leaving_.Add({stuck});
  clock_.AdvanceNanos(5 * kSecondNanos - 1);
  leaving_.Reap();
  EXPECT_THAT(log_.events(), IsEmpty());
  clock_.AdvanceNanos(1);
  leaving_.Reap();
  leaving_.Reap();
  EXPECT_THAT(log_.events(), ElementsAre("source.hangs"));
  stuck_.release.Notify();
  Await(*stuck);
  leaving_.Reap();
  EXPECT_THAT(log_.events(), ElementsAre("source.hangs", "source.ended"));
  EXPECT_EQ(leaving_.size(), 0u);
}

TEST_F(LeavingSourcesTest, StopWaitsForAll) {
  other_.heeds = true;
  std::shared_ptr<SourceThread> stuck = Stuck("stuck", &stuck_), other = Stuck("other", &other_);
  leaving_.Add({stuck});
  stuck_.release.Notify();
  EXPECT_TRUE(leaving_.Stop({other}, absl::InfiniteFuture()));
  EXPECT_TRUE(stuck->ended());
  EXPECT_TRUE(other->ended());
  EXPECT_EQ(leaving_.size(), 0u);
  EXPECT_THAT(log_.events(), IsEmpty());
}

TEST_F(LeavingSourcesTest, StopLeavesWithoutThoseThatHang) {
  std::shared_ptr<SourceThread> stuck = Stuck("stuck", &stuck_), other = Stuck("other", &other_);
  FakeSink sink;
  other->source()->SetSinks({{&sink, 0}});
  leaving_.Add({stuck});
  EXPECT_FALSE(leaving_.Stop({other}, absl::Now()));
  EXPECT_THAT(log_.events(), ElementsAre("source.hangs", "source.hangs"));
  EXPECT_EQ(leaving_.size(), 2u);
  stuck_.release.Notify();
  other_.release.Notify();
  Await(*stuck);
  Await(*other);
  EXPECT_THAT(sink.states, IsEmpty()) << "a thread that comes back touches no pool";
  EXPECT_THAT(sink.blocks, IsEmpty());
}

TEST_F(LeavingSourcesTest, WhoWaitsForOneThatHangsIsToldSo) {
  std::shared_ptr<SourceThread> stuck = Stuck("stuck", &stuck_);
  absl::StatusOr<v1::Source> tested = absl::UnknownError("not yet");
  stuck->source()->Test(false, [&tested](absl::StatusOr<v1::Source> end) { tested = end; });
  struct NoReader final : SampleReader {
    void OnSamples() override {}
  };
  const auto reader = std::make_shared<NoReader>();
  const auto recording = std::make_shared<SampleRecording>(1, 1000, reader);
  ASSERT_TRUE(stuck->source()->Record(recording).ok());
  leaving_.Add({stuck});
  const char* const why = "and its device keeps its thread in a call";
  EXPECT_TRUE(absl::IsCancelled(tested.status()));
  EXPECT_THAT(std::string(tested.status().message()), HasSubstr(why));
  absl::Status recorded;
  ASSERT_TRUE(recording->Ended(&recorded));
  EXPECT_THAT(std::string(recorded.message()), HasSubstr(why));
  stuck_.release.Notify();
}

}  // namespace
}  // namespace entropyd
