#include "hostagent/guest/guest_key.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

GuestIdentity Known(const std::string& name, const std::string& uuid) {
  return {IdentitySource::kLibvirt, name, uuid, "", ""};
}

TEST(GuestKeyTest, AKnownGuestIsOneWhateverItsConnections) {
  EXPECT_EQ(GuestKey::Of(Known("web", "u"), 1), GuestKey::Of(Known("web", "u"), 2));
  EXPECT_NE(GuestKey::Of(Known("web", "u"), 1), GuestKey::Of(Known("web", "v"), 1));
  EXPECT_NE(GuestKey::Of(Known("web", "u"), 1), GuestKey::Of(Known("db", "u"), 1));
  EXPECT_TRUE(GuestKey::Of(Known("web", "u"), 1).known());
}

TEST(GuestKeyTest, AConnectionWhoseGuestNobodyKnowsStandsForItself) {
  const GuestKey one = GuestKey::Of({}, 1);
  const GuestKey two = GuestKey::Of({}, 2);
  EXPECT_FALSE(one.known());
  EXPECT_NE(one, two);
}

TEST(GuestKeyTest, ThoseThatNobodyKnowsHaveOneAccount) {
  EXPECT_EQ(GuestKey::Of({}, 1).account(), GuestKey::Of({}, 2).account());
  EXPECT_EQ(GuestKey::Of(Known("web", "u"), 1).account(), GuestKey::Of(Known("web", "u"), 9));
}

}  // namespace
}  // namespace entropyd
