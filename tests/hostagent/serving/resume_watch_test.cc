#include "hostagent/serving/resume_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class ResumeWatchTest : public testing::Test {
 protected:
  ResumeWatch::Machine Machine() {
    ResumeWatch::Machine machine;
    machine.monotonic_nanos = [this] {
      monotonic_ += between_readings_;
      return monotonic_;
    };
    machine.boot_nanos = [this] {
      monotonic_ += between_readings_;
      return monotonic_ + slept_;
    };
    machine.vmclock = dir_ / "vmclock0";
    return machine;
  }
  // The device's page.
  void WritePage(const std::string& magic, uint64_t marker) {
    std::string page(4096, '\0');
    page.replace(0, 4, magic);
    std::memcpy(page.data() + 16, &marker, sizeof marker);
    UniqueFd file(open((dir_ / "vmclock0").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(pwrite(file.get(), page.data(), page.size(), 0), 4096);
  }

  TempDir dir_;
  int64_t monotonic_ = 0;
  int64_t slept_ = 0;
  int64_t between_readings_ = 0;
};

TEST_F(ResumeWatchTest, TimeThatPassesIsNoResume) {
  ResumeWatch watch(Machine());
  EXPECT_FALSE(watch.Resumed());
  monotonic_ += 3600 * kSecondNanos;
  EXPECT_FALSE(watch.Resumed());
}

TEST_F(ResumeWatchTest, ASleepIsToldOnce) {
  ResumeWatch watch(Machine());
  slept_ = ResumeWatch::kMinJumpNanos;
  EXPECT_TRUE(watch.Resumed());
  EXPECT_THAT(watch.reason(), HasSubstr("jumped by 10 ms"));
  EXPECT_FALSE(watch.Resumed());
  slept_ += 5 * kSecondNanos;
  EXPECT_TRUE(watch.Resumed());
}

TEST_F(ResumeWatchTest, AThreadThatIsHeldUpBetweenReadingsIsNoResume) {
  ResumeWatch watch(Machine());
  between_readings_ = 5 * kSecondNanos;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(watch.Resumed());
  between_readings_ = 0;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(watch.Resumed());
}

TEST_F(ResumeWatchTest, ASleepIsNoticedThoughTheFirstMeasurementWasHeldUp) {
  between_readings_ = kSecondNanos;
  ResumeWatch watch(Machine());
  between_readings_ = 0;
  EXPECT_FALSE(watch.Resumed());
  slept_ = 20 * kMillisecondNanos;
  EXPECT_TRUE(watch.Resumed());
}

TEST_F(ResumeWatchTest, ADisruptionIsToldOnce) {
  WritePage("VCLK", 7);
  ResumeWatch watch(Machine());
  EXPECT_FALSE(watch.Resumed());
  WritePage("VCLK", 8);
  EXPECT_TRUE(watch.Resumed());
  EXPECT_THAT(watch.reason(), HasSubstr("vmclock0 tells of a disruption"));
  EXPECT_FALSE(watch.Resumed());
}

TEST_F(ResumeWatchTest, WhatIsNoSuchDeviceIsLeftAlone) {
  WritePage("ELSE", 7);
  ResumeWatch watch(Machine());
  WritePage("ELSE", 8);
  EXPECT_FALSE(watch.Resumed());
}

TEST_F(ResumeWatchTest, ThisMachineHasNotSleptMeanwhile) {
  ResumeWatch watch;
  EXPECT_FALSE(watch.Resumed());
}

}  // namespace
}  // namespace entropyd
