#include "base/process/thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "tests/base/process/no_more_threads.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST(ThreadTest, AThreadRunsWhatItIsGiven) {
  std::atomic<bool> ran{false};
  auto thread = StartThread([&ran] { ran = true; });
  ASSERT_TRUE(thread.ok()) << thread.status();
  thread->join();
  EXPECT_TRUE(ran);
}

TEST(ThreadTest, WhereNoneCanBeStartedTheReasonAndTheLimitsAreTold) {
  const NoMoreThreads full;
  const auto thread = StartThread([] {});
  ASSERT_TRUE(absl::IsResourceExhausted(thread.status())) << thread.status();
  EXPECT_THAT(std::string(thread.status().message()), HasSubstr("TasksMax"));
}

TEST(ThreadTest, WhetherGrpcCouldStartItsThreadsIsKnownBefore) {
  EXPECT_TRUE(CheckThreadsForGrpc().ok()) << CheckThreadsForGrpc();
  const NoMoreThreads full;
  EXPECT_TRUE(absl::IsResourceExhausted(CheckThreadsForGrpc()));
}

}  // namespace
}  // namespace entropyd
