#include "base/process/await_ready.h"

#include <poll.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  UniqueFd out, in;
};

TEST(AwaitReadyTest, WhatIsReadyNeedsNoTime) {
  Pipe pipe;
  EXPECT_TRUE(AwaitReady(pipe.in.get(), POLLOUT, absl::InfinitePast()));
  ASSERT_EQ(write(pipe.in.get(), "x", 1), 1);
  EXPECT_TRUE(AwaitReady(pipe.out.get(), POLLIN, absl::InfinitePast()));
  EXPECT_TRUE(AwaitReady(pipe.out.get(), POLLIN, absl::InfiniteFuture()));
}

TEST(AwaitReadyTest, TheEndCountsAndOtherwiseTheTimeIsOver) {
  Pipe pipe;
  EXPECT_FALSE(AwaitReady(pipe.out.get(), POLLIN, absl::InfinitePast()));
  EXPECT_FALSE(AwaitReady(pipe.out.get(), POLLIN, absl::Now() + absl::Milliseconds(1)));
  pipe.in.reset();
  EXPECT_TRUE(AwaitReady(pipe.out.get(), POLLIN, absl::InfiniteFuture()));
}

}  // namespace
}  // namespace entropyd
