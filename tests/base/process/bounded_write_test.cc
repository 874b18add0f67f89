#include "base/process/bounded_write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class BoundedWriteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
  }
  // The pipe takes no byte more.
  void Fill() {
    fcntl(write_.get(), F_SETFL, O_NONBLOCK);
    const std::string page(PIPE_BUF, '.');
    while (write(write_.get(), page.data(), page.size()) > 0) filled_ += page.size();
    fcntl(write_.get(), F_SETFL, 0);
  }
  // All that came, but for what filled the pipe.
  std::string Rest() {
    std::string all;
    char buffer[65536];
    for (ssize_t n; (n = read(read_.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all.substr(filled_);
  }

  UniqueFd read_, write_;
  size_t filled_ = 0;
};

TEST_F(BoundedWriteTest, LastWordsAreWrittenWhenThereIsRoom) {
  WriteWithin(write_.get(), "entropyd: bye\n", absl::Seconds(10));
  write_.reset();
  EXPECT_EQ(Rest(), "entropyd: bye\n");
}

TEST_F(BoundedWriteTest, LastWordsDoNotWaitForEver) {
  Fill();
  const absl::Time start = absl::Now();
  WriteWithin(write_.get(), "entropyd: bye\n", absl::Milliseconds(20));
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
  write_.reset();
  EXPECT_EQ(Rest(), "");
}

TEST_F(BoundedWriteTest, LastWordsThatAreLongAreWrittenAsTheyAreTaken) {
  Fill();
  const std::string text(10 * PIPE_BUF, 'x');
  std::string all;
  std::thread reader([&] { all = Rest(); });
  WriteWithin(write_.get(), text, absl::Seconds(10));
  write_.reset();
  reader.join();
  EXPECT_EQ(all, text);
}

TEST_F(BoundedWriteTest, LastWordsThatNobodyCanTakeAreLost) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  read_.reset();
  const absl::Time start = absl::Now();
  WriteWithin(write_.get(), "entropyd: bye\n", absl::Seconds(100));
  WriteWithin(-1, "entropyd: bye\n", absl::Seconds(100));
  EXPECT_LT(absl::Now() - start, absl::Seconds(50));
  signal(SIGPIPE, before);
}

TEST_F(BoundedWriteTest, AFrontIsNoLongerThanAPipeWithRoomTakesAtOnce) {
  EXPECT_EQ(WriteFront(write_.get(), std::string(PIPE_BUF + 1, 'x')), PIPE_BUF);
  EXPECT_EQ(WriteFront(write_.get(), "12345"), 5);
}

TEST_F(BoundedWriteTest, RoomIsAwaitedUntilSomebodyWakesTheWaiter) {
  const UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  EXPECT_TRUE(AwaitRoom(write_.get(), wake.get(), -1));
  Fill();
  EXPECT_FALSE(AwaitRoom(write_.get(), wake.get(), 0));
  const uint64_t one = 1;
  ASSERT_EQ(write(wake.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_FALSE(AwaitRoom(write_.get(), wake.get(), -1));
}

// write() then says what is wrong with it.
TEST_F(BoundedWriteTest, WhatCanTakeNothingIsNotWaitedFor) {
  EXPECT_TRUE(AwaitRoom(-1, -1, -1));
  EXPECT_TRUE(AwaitRoom(1'000'000, -1, -1));
  EXPECT_EQ(WriteFront(-1, "x"), -1);
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace entropyd
