#include "server/source/source_thread.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

// A driver that blocks in its device until it is interrupted, as a hung security module does.
class BlockingDriver final : public SourceDriver {
 public:
  explicit BlockingDriver(absl::Notification* reading) : reading_(reading) {}
  absl::StatusOr<std::string> Open() override { return std::string("hung"); }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    if (!reading_->HasBeenNotified()) reading_->Notify();
    interrupted_.WaitForNotification();
    return absl::CancelledError("interrupted");
  }
  void Close() override {}
  void Interrupt() override { interrupted_.Notify(); }

 private:
  absl::Notification* const reading_;
  absl::Notification interrupted_;
};

class SourceThreadTest : public ::testing::Test {
 protected:
  std::unique_ptr<SourceThread> Make(std::unique_ptr<SourceDriver> driver) {
    SourceSpec spec;
    spec.name = "trng0";
    spec.identity.claims.min_entropy = 4;
    spec.identity.claims.health_min_entropy = 4;
    spec.identity.claims.max_rate = 1'000'000;
    HealthMonitor test = HealthMonitor::Create({.min_entropy = 4, .word_bytes = 1}).value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    auto source = std::make_unique<Source>(spec, std::move(driver), std::move(test),
                                           std::move(held), &clock_, &log_);
    return std::make_unique<SourceThread>(std::move(source));
  }

  SystemClock clock_;
  FakeLog log_{&clock_};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
};

TEST_F(SourceThreadTest, StopInterruptsASourceThatIsBlockedInItsDevice) {
  absl::Notification reading;
  std::unique_ptr<SourceThread> thread = Make(std::make_unique<BlockingDriver>(&reading));
  ASSERT_TRUE(thread->Start().ok());
  reading.WaitForNotification();
  thread->Stop();
  EXPECT_EQ(thread->source()->Snapshot().raw_bytes(), 0u);
}

TEST_F(SourceThreadTest, StopBeforeStartIsFine) {
  FakeDevice device;
  std::unique_ptr<SourceThread> thread = Make(std::make_unique<FakeDriver>(&device));
  thread->Stop();
  EXPECT_EQ(device.opens, 0);
}

TEST_F(SourceThreadTest, StopEndsAWaitForAMissingDevice) {
  FakeDevice device;
  device.open = absl::NotFoundError("open /dev/fake: no such device");
  std::unique_ptr<SourceThread> thread = Make(std::make_unique<FakeDriver>(&device));
  ASSERT_TRUE(thread->Start().ok());
  thread->Wake();
  thread->Stop();
  EXPECT_LE(device.opens, 1);
}

TEST_F(SourceThreadTest, WhereNoThreadCanBeStartedItIsAnErrorAndItMayStartLater) {
  FakeDevice device;
  std::unique_ptr<SourceThread> thread = Make(std::make_unique<FakeDriver>(&device));
  {
    const NoMoreThreads full;
    EXPECT_FALSE(thread->refused()) << "nobody has started it yet";
    EXPECT_TRUE(absl::IsResourceExhausted(thread->Start()));
    EXPECT_TRUE(thread->refused());
    EXPECT_TRUE(thread->ended());
  }
  ASSERT_TRUE(thread->Start().ok());
  EXPECT_FALSE(thread->refused());
  EXPECT_FALSE(thread->ended());
  thread->Stop();
  EXPECT_TRUE(thread->ended());
}

}  // namespace
}  // namespace entropyd
