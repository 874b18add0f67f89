#include "hostagent/guest/guest_key.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

GuestIdentity Known(const std::string& name, const std::string& uuid) {
  return {IdentitySource::kLibvirt, name, uuid, "", ""};
}

Peer Process(int32_t pid, uint64_t start_ticks, uint32_t uid = 107) {
  Peer peer;
  peer.pid = pid;
  peer.start_ticks = start_ticks;
  peer.uid = uid;
  return peer;
}

TEST(GuestKeyTest, AKnownGuestIsOneWhateverItsProcess) {
  const GuestKey web = GuestKey::Of(Known("web", "u"), Process(1, 1));
  EXPECT_EQ(web, GuestKey::Of(Known("web", "u"), Process(2, 2)));
  EXPECT_NE(web, GuestKey::Of(Known("web", "v"), Process(1, 1)));
  EXPECT_NE(web, GuestKey::Of(Known("db", "u"), Process(1, 1)));
  EXPECT_TRUE(web.known());
  EXPECT_FALSE(web.group());
  EXPECT_EQ(web.text(), "web");
}

TEST(GuestKeyTest, WhomNobodyKnowsIsItsProcess) {
  const GuestKey one = GuestKey::Of({}, Process(4711, 10));
  EXPECT_EQ(one, GuestKey::Of({}, Process(4711, 10, /*uid=*/0)));
  EXPECT_NE(one, GuestKey::Of({}, Process(4712, 10)));
  EXPECT_NE(one, GuestKey::Of({}, Process(4711, 11))) << "another process had this pid before";
  EXPECT_FALSE(one.known());
  EXPECT_FALSE(one.group());
  EXPECT_EQ(one.text(), "pid 4711");
}

TEST(GuestKeyTest, APeerInAnotherPidNamespaceIsItsUser) {
  const GuestKey one = GuestKey::Of({}, Process(0, 0, 1000));
  EXPECT_EQ(one, GuestKey::Of({}, Process(0, 0, 1000)));
  EXPECT_NE(one, GuestKey::Of({}, Process(0, 0, 1001)));
  EXPECT_TRUE(one.group());
  EXPECT_EQ(one.text(), "user 1000");
}

TEST(GuestKeyTest, APeerThatCameByTcpIsItsAddress) {
  Peer peer = Process(0, 0, 0);
  peer.address = "192.0.2.7";
  const GuestKey one = GuestKey::Of({}, peer);
  peer.uid = 5;
  EXPECT_EQ(one, GuestKey::Of({}, peer));
  peer.address = "192.0.2.8";
  EXPECT_NE(one, GuestKey::Of({}, peer));
  EXPECT_TRUE(one.group());
  EXPECT_EQ(one.text(), "192.0.2.7");
}

TEST(GuestKeyTest, ThoseThatNobodyKnowsHaveOneAccount) {
  EXPECT_EQ(GuestKey::Of({}, Process(1, 1)).account(), GuestKey::Of({}, Process(2, 1)).account());
  EXPECT_EQ(GuestKey::Of(Known("web", "u"), Process(1, 1)).account(),
            GuestKey::Of(Known("web", "u"), Process(9, 1)));
}

}  // namespace
}  // namespace entropyd
