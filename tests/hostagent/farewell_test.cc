#include "hostagent/farewell.h"

#include <functional>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

class FarewellTest : public TwoHostsTest {
 protected:
  // How many milliseconds the loop turns after Begin(). Calls `each` once a millisecond.
  int64_t Lasts(const std::function<void(int64_t milli)>& each = [](int64_t) {}) {
    Farewell farewell(old_.loop.get(), old_.host->connections());
    int64_t milli = 0;
    std::function<void()> pass = [&] {
      clock_.AdvanceNanos(kMillisecondNanos);
      each(++milli);
      old_.loop->Post(pass);
    };
    old_.loop->Post(pass);
    farewell.Begin();
    old_.loop->Run();
    return milli;
  }
};

TEST_F(FarewellTest, WithNothingUndeliveredItEndsAtOnce) {
  Client idle = Connect();
  EXPECT_EQ(Lasts(), 0);
}

TEST_F(FarewellTest, AGuestThatReadsIsAwaited) {
  Client reads = Connect(Bytes{0x04});
  const int64_t lasts =
      Lasts([&](int64_t milli) { EXPECT_TRUE(milli != 300 || !reads.Receive().empty()); });
  EXPECT_GE(lasts, 300);
  EXPECT_LE(lasts, 320);
}

TEST_F(FarewellTest, AGuestThatDoesNotReadHoldsNobodyUpForLong) {
  Client stalls = Connect(Bytes{0x04});
  const int64_t lasts = Lasts();
  EXPECT_GE(lasts, 900);
  EXPECT_LE(lasts, kSecondNanos / kMillisecondNanos + 20);
}

}  // namespace
}  // namespace entropyd
