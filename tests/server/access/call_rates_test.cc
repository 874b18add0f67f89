#include "server/access/call_rates.h"

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class CallRatesTest : public ::testing::Test {
 protected:
  CallRatesTest() { rates_.SetLimit(10); }
  int Make(int calls, const std::string& identity = "a") {
    int made = 0;
    for (int i = 0; i < calls; ++i) made += rates_.Take(identity, now_) ? 1 : 0;
    return made;
  }

  CallRates rates_;
  int64_t now_ = 5 * kSecondNanos;
};

TEST_F(CallRatesTest, ThoseOfTwoSecondsMayComeAtOnceAndThenSoManyInASecond) {
  EXPECT_EQ(Make(100), 20);
  now_ += kSecondNanos / 10 - 1;
  EXPECT_EQ(Make(100), 0);
  now_ += 1;
  EXPECT_EQ(Make(100), 1);
  now_ += kSecondNanos;
  EXPECT_EQ(Make(100), 10);
  now_ += kHourNanos;
  EXPECT_EQ(Make(100), 20);
}

TEST_F(CallRatesTest, IdentitiesDoNotNoticeEachOther) {
  EXPECT_EQ(Make(100, "a"), 20);
  EXPECT_EQ(Make(100, "b"), 20);
}

TEST_F(CallRatesTest, ANewLimitHoldsFromNowOn) {
  EXPECT_EQ(Make(100), 20);
  rates_.SetLimit(100);
  EXPECT_EQ(rates_.limit(), 100u);
  EXPECT_EQ(Make(1000), 200);
  rates_.SetLimit(100);
  EXPECT_EQ(Make(1000), 0) << "it is the same limit";
  now_ += kSecondNanos;
  EXPECT_EQ(Make(1000), 100);
}

TEST_F(CallRatesTest, WhoOwesIsNotForgottenWhateverOthersDo) {
  EXPECT_EQ(Make(100, "first"), 20);
  for (size_t i = 1; i < CallRates::kMaxRemembered; ++i) EXPECT_EQ(Make(1, absl::StrCat(i)), 1);
  EXPECT_EQ(Make(1, "one more"), 1);
  EXPECT_EQ(Make(1, "first"), 0) << "it still owes";
  now_ += 2 * kSecondNanos;
  for (size_t i = 0; i < 2 * CallRates::kMaxRemembered; ++i) Make(1, absl::StrCat("new ", i));
  EXPECT_EQ(Make(100, "first"), 20);
}

}  // namespace
}  // namespace entropyd
