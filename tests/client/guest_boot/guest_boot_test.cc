#include "client/guest_boot/guest_boot.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(GuestBootTest, AnAcceleratorIsReadByItsWord) {
  EXPECT_EQ(ParseAccel("kvm"), GuestAccel::kKvm);
  EXPECT_EQ(ParseAccel("tcg"), GuestAccel::kTcg);
  EXPECT_EQ(ParseAccel("auto"), GuestAccel::kAuto);
}

}  // namespace
}  // namespace entropyd
