#include "hostagent/handover/failure_remedy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

TEST(FailureRemedyTest, ItSaysWhatToMendAndWhoServesMeanwhile) {
  const absl::Status why = absl::AbortedError("the new process ended with status 1");
  EXPECT_EQ(FailureRemedy(HandoverPurpose::kUpgrade, why),
            "mend what the reason names; then upgrade again; until then this process serves on");
  EXPECT_THAT(FailureRemedy(HandoverPurpose::kReload, why),
              HasSubstr("the old configuration stays in use"));
}

TEST(FailureRemedyTest, AServerThatIsNotReachedHasItsOwn) {
  const absl::Status why = absl::FailedPreconditionError(
      "take over: not attached to a server after 15 s: UNAVAILABLE: Connection refused");
  EXPECT_THAT(FailureRemedy(HandoverPurpose::kUpgrade, why),
              testing::HasSubstr("nothing listens there: start the server"));
  EXPECT_THAT(FailureRemedy(HandoverPurpose::kReload, why), HasSubstr("start the server"));
}

TEST(FailureRemedyTest, WhatIsNotNowNeedsNoMending) {
  const absl::Status why = absl::AbortedError("reload: not now: try again in a minute");
  EXPECT_EQ(FailureRemedy(HandoverPurpose::kUpgrade, why), "this process serves on");
  EXPECT_EQ(
      WithRemedy(HandoverPurpose::kReload, why).message(),
      "reload: not now: try again in a minute; the old configuration stays in use until then");
}

TEST(FailureRemedyTest, WhatHasNothingToDoWithTheServerGetsNoAdviceAboutIt) {
  EXPECT_EQ(FailureRemedy(HandoverPurpose::kUpgrade,
                          absl::PermissionDeniedError("read key h.key: Permission denied")),
            "mend what the reason names; then upgrade again; until then this process serves on");
}

TEST(FailureRemedyTest, WhoAskedGetsItWithTheReason) {
  EXPECT_TRUE(WithRemedy(HandoverPurpose::kReload, absl::OkStatus()).ok());
  const absl::Status one = WithRemedy(HandoverPurpose::kUpgrade, absl::AbortedError("a reason"));
  EXPECT_TRUE(absl::IsAborted(one));
  EXPECT_THAT(one.message(), testing::HasSubstr("a reason; mend"));
  EXPECT_THAT(
      std::string(
          WithRemedy(HandoverPurpose::kReload, absl::InvalidArgumentError("a\nb")).message()),
      testing::StartsWith("a\nb\nmend"));
}

}  // namespace
}  // namespace entropyd
