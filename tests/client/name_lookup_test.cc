#include "client/name_lookup.h"

#include <atomic>
#include <memory>

#include "absl/synchronization/notification.h"
#include "base/wire/connection_remedy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/process/no_more_threads.h"

namespace entropyd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);

TEST(NameLookupTest, ThePlatformKnowsLocalhost) {
  const NameLookup::Answer found = NameLookup(kLong).Find("localhost:7743");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(*found, testing::AnyOf(Contains("127.0.0.1:7743"), Contains("[::1]:7743")));
}

TEST(NameLookupTest, ANameThatDoesNotExistIsAnErrorOfTheFirstStep) {
  const NameLookup::Answer found = NameLookup(kLong).Find("no..such..name:7743");
  EXPECT_TRUE(absl::IsUnavailable(found.status())) << found.status();
  EXPECT_THAT(found.status().message(), HasSubstr("look up the name no..such..name: "));
  EXPECT_EQ(StepOf(found.status().message()), ConnectionStep::kName);
}

TEST(NameLookupTest, AnAddressNeedsNoLookup) {
  EXPECT_TRUE(IsAddress("192.0.2.7:7743"));
  EXPECT_TRUE(IsAddress("[2001:db8::1]:7743"));
  EXPECT_FALSE(IsAddress("entropyd-0:7743"));
  EXPECT_FALSE(IsAddress("192.0.2.7.example:7743"));
}

// A resolver that answers when the test says so.
struct HeldResolver {
  NameLookup::Resolve resolve() {
    return [held = held](const std::string&) -> NameLookup::Answer {
      ++held->asked;
      held->go.WaitForNotification();
      return NameLookup::Addresses{"192.0.2.7:7743"};
    };
  }
  struct Held {
    std::atomic<int> asked{0};
    absl::Notification go;
  };
  std::shared_ptr<Held> held = std::make_shared<Held>();
};

TEST(NameLookupTest, AResolverThatIsSilentKeepsNobodyAndIsAskedOnce) {
  HeldResolver resolver;
  NameLookup impatient(resolver.resolve(), absl::Milliseconds(1));
  for (int i = 0; i < 3; ++i) {
    const NameLookup::Answer found = impatient.Find("a:7743");
    EXPECT_THAT(found.status().message(),
                HasSubstr("look up the name a: the resolver has not answered within 1ms"));
  }
  resolver.held->go.Notify();
  NameLookup::Answer found = impatient.Find("a:7743");
  while (!found.ok()) found = impatient.Find("a:7743");
  EXPECT_THAT(*found, ElementsAre("192.0.2.7:7743"));
  EXPECT_EQ(resolver.held->asked, 1);
  EXPECT_TRUE(NameLookup(resolver.resolve(), kLong).Find("a:7743").ok());
  EXPECT_EQ(resolver.held->asked, 2) << "an answer is good for one dial";
}

TEST(NameLookupTest, AnAnswerThatCameTooLateForAllIsNotKept) {
  HeldResolver resolver;
  NameLookup impatient(resolver.resolve(), absl::ZeroDuration());
  EXPECT_FALSE(impatient.Find("a:7743").ok());
  resolver.held->go.Notify();
  // Each answer is older than no time at all, so that each look asks anew.
  while (resolver.held->asked < 3) (void)impatient.Find("a:7743");
}

TEST(NameLookupTest, WhoBeginsDoesNotWaitAndMayGo) {
  HeldResolver resolver;
  absl::Notification told;
  NameLookup::Answer answer = absl::UnknownError("");
  {
    NameLookup lookup(resolver.resolve(), kLong);
    lookup.Begin("a:7743", [&](NameLookup::Answer found) {
      answer = std::move(found);
      told.Notify();
    });
  }
  resolver.held->go.Notify();
  told.WaitForNotification();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(*answer, ElementsAre("192.0.2.7:7743"));
}

TEST(NameLookupTest, WithoutAThreadItIsAnErrorAndTheNextAttemptAsksAgain) {
  int asked = 0;
  NameLookup lookup(
      [&asked](const std::string&) -> NameLookup::Answer {
        ++asked;
        return NameLookup::Addresses{"192.0.2.7:7743"};
      },
      kLong);
  absl::optional<NameLookup::Answer> told;
  {
    const NoMoreThreads none;
    lookup.Begin("a:7743", [&](NameLookup::Answer found) { told = std::move(found); });
    ASSERT_TRUE(told.has_value());
    EXPECT_EQ(StepOf(told->status().message()), ConnectionStep::kName) << told->status();
    EXPECT_FALSE(lookup.Find("a:7743").ok());
  }
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(lookup.Find("a:7743").ok());
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace entropyd
