#include "server/driver/guarded_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/base/process/no_more_threads.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

// What the inner driver does, and what happened to it. It outlives both drivers.
struct Inner {
  absl::Notification reading;  // a Read() that hangs has begun
  absl::Notification release;  // it may return
  absl::Notification closed_after_hang;
  absl::Notification destroyed;
  std::atomic<bool> hang{false};
  std::atomic<int> opens{0}, closes{0};
  std::atomic<size_t> largest{0};
};

class InnerDriver final : public SourceDriver {
 public:
  explicit InnerDriver(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}
  ~InnerDriver() override { inner_->destroyed.Notify(); }
  absl::StatusOr<std::string> Open() override {
    ++inner_->opens;
    return std::string("inner");
  }
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    if (out.size() > inner_->largest) inner_->largest = out.size();
    const bool hung = inner_->hang.exchange(false);
    if (hung) {
      inner_->reading.Notify();
      inner_->release.WaitForNotification();
    }
    std::fill(out.begin(), out.end(), hung ? 0xbb : 0xaa);
    return out.size();
  }
  void Close() override {
    ++inner_->closes;
    if (inner_->release.HasBeenNotified() && !inner_->closed_after_hang.HasBeenNotified()) {
      inner_->closed_after_hang.Notify();
    }
  }

 private:
  const std::shared_ptr<Inner> inner_;
};

class GuardedDriverTest : public ::testing::Test {
 protected:
  std::unique_ptr<SourceDriver> Make(absl::Duration patience) {
    return std::make_unique<GuardedDriver>("module m", std::make_unique<InnerDriver>(inner_),
                                           patience);
  }
  // On a busy machine a guard that waits only kShort may give up even a sound call.
  static void OpenAtLast(SourceDriver* driver) {
    while (!driver->Open().ok()) {
    }
  }
  std::shared_ptr<Inner> inner_ = std::make_shared<Inner>();
  uint8_t bytes_[128] = {};
};

// For calls that return: long enough for any machine.
constexpr absl::Duration kAmple = absl::Seconds(20);
// For calls that the guard must give up.
constexpr absl::Duration kShort = absl::Milliseconds(20);

TEST_F(GuardedDriverTest, AnswersAreTheInnerDrivers) {
  std::unique_ptr<SourceDriver> driver = Make(kAmple);
  EXPECT_EQ(driver->Open().value(), "inner");
  EXPECT_EQ(driver->Read({bytes_, 10}).value(), 10u);
  EXPECT_EQ(bytes_[9], 0xaa);
  EXPECT_EQ(bytes_[10], 0);
  EXPECT_EQ(driver->Read(absl::MakeSpan(bytes_)).value(), 64u);
  EXPECT_EQ(inner_->largest, 64u);
  driver->Close();
  EXPECT_TRUE(driver->Open().ok()) << "waits for the close first";
  EXPECT_EQ(inner_->closes, 1);
  driver.reset();
  EXPECT_TRUE(inner_->destroyed.HasBeenNotified());
}

TEST_F(GuardedDriverTest, HungCallIsGivenUpAndItsBytesNeverArrive) {
  std::unique_ptr<SourceDriver> driver = Make(kShort);
  OpenAtLast(driver.get());
  const int opens = inner_->opens;
  inner_->hang = true;
  const absl::Status hung = driver->Read(absl::MakeSpan(bytes_)).status();
  EXPECT_TRUE(absl::IsUnavailable(hung));
  EXPECT_EQ(hung.message(), "read module m: its library has not answered for 20ms");
  EXPECT_THAT(std::string(driver->Open().status().message()),
              HasSubstr("open module m: an earlier call into its library has not returned"));
  EXPECT_EQ(inner_->opens, opens);
  inner_->release.Notify();
  ASSERT_TRUE(inner_->closed_after_hang.WaitForNotificationWithTimeout(absl::Minutes(1)));
  do {
    OpenAtLast(driver.get());
  } while (!driver->Read({bytes_, 64}).ok());
  EXPECT_EQ(bytes_[0], 0xaa) << "0xbb is what came too late";
}

TEST_F(GuardedDriverTest, InterruptEndsAReadThatIsBlocked) {
  std::unique_ptr<SourceDriver> driver = Make(kAmple);
  ASSERT_TRUE(driver->Open().ok());
  inner_->hang = true;
  std::thread stopper([&] {
    inner_->reading.WaitForNotification();
    driver->Interrupt();
  });
  EXPECT_TRUE(absl::IsCancelled(driver->Read(absl::MakeSpan(bytes_)).status()));
  stopper.join();
  EXPECT_TRUE(absl::IsCancelled(driver->Open().status()));
  inner_->release.Notify();
}

TEST_F(GuardedDriverTest, GuardOfAHungDriverGoesAndLeavesItBehind) {
  std::unique_ptr<SourceDriver> driver = Make(kShort);
  OpenAtLast(driver.get());
  inner_->hang = true;
  EXPECT_FALSE(driver->Read(absl::MakeSpan(bytes_)).ok());
  driver.reset();
  EXPECT_FALSE(inner_->destroyed.HasBeenNotified());
  inner_->release.Notify();
  inner_->destroyed.WaitForNotification();
}

TEST_F(GuardedDriverTest, WithoutAThreadItDoesNotOpenAndTriesAgain) {
  std::unique_ptr<SourceDriver> driver = Make(kAmple);
  {
    const NoMoreThreads full;
    EXPECT_TRUE(absl::IsUnavailable(driver->Open().status()));
    driver->Close();
  }
  EXPECT_EQ(driver->Open().value(), "inner");
  EXPECT_EQ(driver->Read({bytes_, 10}).value(), 10u);
}

}  // namespace
}  // namespace entropyd
