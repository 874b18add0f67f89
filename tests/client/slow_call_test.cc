#include "client/slow_call.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(SlowCallTest, TellsWhoHasNotAnsweredAndHowLongThatMayTake) {
  std::string told;
  absl::Notification heard;
  const SlowCall::Tell tell = [&](absl::string_view whom, absl::Duration limit) {
    told = absl::StrCat(whom, " ", absl::FormatDuration(limit));
    heard.Notify();
  };
  {
    const SlowCall slow(tell, "host:7743", absl::Seconds(35), absl::ZeroDuration());
    heard.WaitForNotification();
  }
  EXPECT_EQ(told, "host:7743 35s");
}

TEST(SlowCallTest, ACallThatEndsBeforeTellsNothing) {
  bool told = false;
  const SlowCall::Tell tell = [&told](absl::string_view, absl::Duration) { told = true; };
  { const SlowCall slow(tell, "host:7743", absl::Hours(2), absl::Hours(1)); }
  EXPECT_FALSE(told);
}

TEST(SlowCallTest, ALimitThatComesFirstAndNobodyToTellNeedNoThread) {
  absl::Notification told;
  const SlowCall::Tell tell = [&told](absl::string_view, absl::Duration) { told.Notify(); };
  {
    const SlowCall slow(tell, "host:7743", absl::ZeroDuration(), absl::ZeroDuration());
    EXPECT_FALSE(told.WaitForNotificationWithTimeout(absl::Milliseconds(200)));
  }
  const SlowCall::Tell nobody;
  const SlowCall slow(nobody, "host:7743", absl::Seconds(35), absl::ZeroDuration());
}

}  // namespace
}  // namespace entropyd
