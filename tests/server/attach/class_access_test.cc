#include "server/attach/class_access.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatch/fake_claimant.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ClassAccessTest : public ::testing::Test {
 protected:
  using Cause = ClassRefusal::Cause;

  Cause Refusal(const char* name, v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    const ClassAccess::Answer answer = access_.Ask("spiffe://test/a", Call::kGet, name, quality);
    EXPECT_EQ(answer.leaf, nullptr);
    return answer.refusal.cause;
  }

  ManualClock clock_;
  FakeLog log_{&clock_};
  FakePool drbg_{"drbg"};
  FakePool full_{"full", v1::QUALITY_FULL};
  ClassTable table_{SetupsOf({&drbg_, &full_})};
  ClassAccess access_{
      [](absl::string_view, Call, absl::string_view name) -> absl::StatusOr<uint32_t> {
        if (name != "drbg/two" && name != "secret/none") return 64;
        return absl::PermissionDeniedError("not for you");
      },
      &table_, &clock_, &log_};
};

TEST_F(ClassAccessTest, WhoMayHaveAClassGetsItsLeaf) {
  const ClassAccess::Answer answer =
      access_.Ask("spiffe://test/a", Call::kAttach, "drbg/one", v1::QUALITY_DRBG);
  EXPECT_EQ(answer.leaf, table_.FindLeaf("drbg/one"));
  EXPECT_EQ(answer.max_weight, 64u);
  EXPECT_NE(access_.Ask("a", Call::kAttach, "full/one", v1::QUALITY_FULL).leaf, nullptr);
  EXPECT_EQ(access_.denied(), 0u);
}

TEST_F(ClassAccessTest, PolicyComesBeforeAllElseAndIsLoggedAndCounted) {
  EXPECT_EQ(Refusal("drbg/two"), Cause::kForbidden);
  clock_.Advance(absl::Nanoseconds(LineLimit::kEveryNanos));
  EXPECT_EQ(Refusal("secret/none"), Cause::kForbidden) << "not even that there is no such class";
  EXPECT_EQ(access_.denied(), 2u);
  EXPECT_EQ(log_.events(), (std::vector<std::string>{"agent.denied", "agent.denied"}));
}

TEST_F(ClassAccessTest, AFloodOfDenialsIsOneLineForEachIdentityAndCall) {
  const auto ask = [this](absl::string_view identity, Call call, absl::string_view name) {
    access_.Ask(identity, call, name, v1::QUALITY_UNSPECIFIED);
  };
  for (int i = 0; i < 500; ++i) {
    ask("spiffe://test/a", Call::kGet, "drbg/two");
    ask("spiffe://test/a", Call::kGet, "secret/none");
  }
  ask("spiffe://test/a", Call::kAttach, "drbg/two");
  ask("spiffe://test/b", Call::kGet, "drbg/two");
  EXPECT_EQ(access_.denied(), 1002u);
  EXPECT_EQ(
      log_.lines(),
      (std::vector<std::string>{
          "warning agent.denied identity=spiffe://test/a class=drbg/two call=Get reason=class "
          "count=1",
          "warning agent.denied identity=spiffe://test/a class=drbg/two call=Attach reason=class "
          "count=1",
          "warning agent.denied identity=spiffe://test/b class=drbg/two call=Get reason=class "
          "count=1"}));
  clock_.Advance(absl::Nanoseconds(LineLimit::kEveryNanos));
  ask("spiffe://test/a", Call::kGet, "drbg/two");
  EXPECT_EQ(log_.lines().back(),
            "warning agent.denied identity=spiffe://test/a class=drbg/two call=Get reason=class "
            "count=1000");
}

TEST_F(ClassAccessTest, AnUnknownClassAnInnerOneAndALowerQualityAreToldApart) {
  EXPECT_EQ(Refusal("drbg/none"), Cause::kUnknown);
  EXPECT_EQ(Refusal("none/root"), Cause::kUnknown);
  EXPECT_EQ(Refusal("drbg/root"), Cause::kInner);
  EXPECT_EQ(Refusal("drbg/one", v1::QUALITY_FULL), Cause::kLowerQuality);
  EXPECT_EQ(access_.denied(), 0u);
}

TEST_F(ClassAccessTest, WhoAttachesToAWrongClassIsToldThoseItMayHaveAndWhoGetsIsNot) {
  const auto known = [this](Call call, absl::string_view name) {
    return access_.Ask("spiffe://test/a", call, name, v1::QUALITY_UNSPECIFIED).refusal.known;
  };
  for (const char* wrong : {"drbg/none", "drbg/two", "secret/none"}) {
    EXPECT_THAT(known(Call::kAttach, wrong), ElementsAre("drbg/one", "full/one", "full/two"))
        << wrong;
    EXPECT_THAT(known(Call::kGet, wrong), IsEmpty()) << wrong;
  }
  EXPECT_EQ(access_.denied(), 4u) << "those that were only looked up are no denials";
}

TEST_F(ClassAccessTest, NotMoreThanEightClassesAreNamed) {
  std::vector<std::unique_ptr<FakePool>> pools;
  std::vector<FakePool*> all;
  for (int i = 1; i <= 5; ++i) {
    pools.push_back(std::make_unique<FakePool>(absl::StrCat("p", i)));
    all.push_back(pools.back().get());
  }
  ClassTable table(SetupsOf(all));
  ClassAccess access([](absl::string_view, Call, absl::string_view) { return 64u; }, &table,
                     &clock_, &log_);
  const ClassRefusal refusal =
      access.Ask("a", Call::kAttach, "p1/none", v1::QUALITY_UNSPECIFIED).refusal;
  EXPECT_THAT(refusal.known, ElementsAre("p1/one", "p1/two", "p2/one", "p2/two", "p3/one", "p3/two",
                                         "p4/one", "p4/two"));
  EXPECT_TRUE(refusal.more_known);
}

// 64 such texts must fit into one message.
TEST_F(ClassAccessTest, LongNamesOfClassesAreNotAllNamed) {
  FakePool a(std::string(200, 'a')), b(std::string(200, 'b'));
  ClassTable table(SetupsOf({&a, &b}));
  ClassAccess access([](absl::string_view, Call, absl::string_view) { return 64u; }, &table,
                     &clock_, &log_);
  const ClassRefusal refusal =
      access.Ask("a", Call::kAttach, "p1/none", v1::QUALITY_UNSPECIFIED).refusal;
  EXPECT_THAT(refusal.known, ElementsAre(absl::StrCat(std::string(200, 'a'), "/one")));
  EXPECT_TRUE(refusal.more_known);
}

// The policy is not asked, and nothing is logged: neither repeats what is no name.
TEST_F(ClassAccessTest, WhatIsNoNameIsRefusedBeforeAllElse) {
  for (const char* name : {"", "drbg", "drbg/two ", "drbg/two/", "größe/one", "secret\n/none"}) {
    EXPECT_EQ(Refusal(name), Cause::kNoName) << name;
  }
  EXPECT_EQ(Refusal(std::string(60'000, 'a').c_str()), Cause::kNoName);
  EXPECT_EQ(access_.denied(), 0u);
  EXPECT_TRUE(log_.events().empty());
}

}  // namespace
}  // namespace entropyd
