#include "hostagent/endpoint/group_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "absl/synchronization/notification.h"
#include "tests/base/process/no_more_threads.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

// A question is answered before the lookup waits no more.
constexpr absl::Duration kAmple = absl::Seconds(20);

TEST(GroupLookupTest, AGroupOfThisHostIsKnownAtOnceAndThenWithoutWaiting) {
  GroupLookup groups;
  EXPECT_EQ(groups.Find("root", kAmple).value(), 0u);
  EXPECT_EQ(groups.Find("root").value(), 0u);
  EXPECT_TRUE(absl::IsNotFound(groups.Find("no-such-group", kAmple).status()));
  EXPECT_TRUE(absl::IsNotFound(groups.Find("no-such-group").status()));
}

TEST(GroupLookupTest, NobodyIsAskedForWhatIsKnownOrANumber) {
  GroupLookup groups([](const std::string&) -> absl::StatusOr<gid_t> {
    ADD_FAILURE() << "asked";
    return absl::InternalError("");
  });
  groups.Know("kvm", 107);
  EXPECT_EQ(groups.Find("kvm").value(), 107u);
  EXPECT_EQ(groups.Find("42").value(), 42u);
  EXPECT_TRUE(absl::IsNotFound(groups.Find("4294967295").status()));
}

// A host may have thousands of sockets, all of one group.
TEST(GroupLookupTest, ThatANameHasNoNumberIsRememberedForAWhile) {
  ManualClock clock;
  const auto asked = std::make_shared<std::atomic<int>>(0);
  GroupLookup groups(
      [asked](const std::string& name) -> absl::StatusOr<gid_t> {
        if (++*asked == 1) return absl::NotFoundError(name);
        return 7;
      },
      &clock);
  for (int i = 0; i < 650; ++i) {
    EXPECT_TRUE(absl::IsNotFound(groups.Find("kvm", kAmple).status()));
  }
  EXPECT_EQ(*asked, 1);
  clock.AdvanceNanos(GroupLookup::kErrorNanos);
  EXPECT_EQ(groups.Find("kvm", kAmple).value(), 7u) << "somebody has made it";
}

TEST(GroupLookupTest, WhatSomebodyFindsOutCountsBeforeWhatFailed) {
  GroupLookup groups([](const std::string& name) { return absl::NotFoundError(name); });
  EXPECT_TRUE(absl::IsNotFound(groups.Find("kvm", kAmple).status()));
  groups.Know("kvm", 107);
  EXPECT_EQ(groups.Find("kvm").value(), 107u);
}

// What a thread that is left behind still uses outlives the test.
struct Service {
  absl::Notification asked, answer;
};

TEST(GroupLookupTest, ANameServiceThatHangsKeepsNobodyWaitingAndIsAskedOnce) {
  const auto service = std::make_shared<Service>();
  GroupLookup groups([service](const std::string& name) -> absl::StatusOr<gid_t> {
    if (name != "far") return 8;
    service->asked.Notify();
    service->answer.WaitForNotification();
    return 7;
  });
  EXPECT_THAT(groups.Find("far").status().message(), HasSubstr("has not answered yet"));
  service->asked.WaitForNotification();
  EXPECT_TRUE(absl::IsUnavailable(groups.Find("far", kAmple).status())) << "it waits only once";
  EXPECT_EQ(groups.Find("other", kAmple).value(), 8u) << "it does not wait for another one";
  groups.Know("near", 9);
  EXPECT_EQ(groups.Find("near").value(), 9u);
  service->answer.Notify();
  while (absl::IsUnavailable(groups.Find("far").status())) {
  }
  EXPECT_EQ(groups.Find("far").value(), 7u);
}

TEST(GroupLookupTest, WithoutAThreadThereIsNoAnswerYet) {
  GroupLookup groups;
  {
    const NoMoreThreads full;
    EXPECT_TRUE(absl::IsUnavailable(groups.Find("root", kAmple).status()));
  }
  EXPECT_EQ(groups.Find("root", kAmple).value(), 0u);
}

}  // namespace
}  // namespace entropyd
