#include "hostagent/upstream/rendezvous.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

const std::vector<std::string> kServers = {"a:7743", "b:7743", "c:7743"};

std::string Host(int i) { return absl::StrCat("host-", i); }

TEST(RendezvousTest, TheOrderHoldsEveryServerOnceAndDoesNotDependOnTheList) {
  const std::vector<std::string> order = RendezvousOrder(Host(1), kServers);
  EXPECT_EQ(std::set<std::string>(order.begin(), order.end()),
            std::set<std::string>(kServers.begin(), kServers.end()));
  EXPECT_EQ(order.size(), kServers.size());
  EXPECT_EQ(RendezvousOrder(Host(1), {"c:7743", "a:7743", "b:7743"}), order);
}

// If the hash changed, every host of a fleet would move at its next upgrade.
TEST(RendezvousTest, TheOrderIsTheSameInEveryBuild) {
  // printf 'host-1\0a:7743' | sha256sum: a20aa044..., b: 18edfc73..., c: 4d15d354...
  EXPECT_EQ(RendezvousOrder(Host(1), kServers),
            (std::vector<std::string>{"a:7743", "c:7743", "b:7743"}));
}

TEST(RendezvousTest, HostsSpreadEvenly) {
  std::map<std::string, int> first;
  for (int i = 0; i < 3000; ++i) ++first[RendezvousOrder(Host(i), kServers)[0]];
  for (const std::string& server : kServers) {
    EXPECT_GT(first[server], 850) << server;  // 5.8 standard deviations below 1000
    EXPECT_LT(first[server], 1150) << server;
  }
}

TEST(RendezvousTest, AServerThatGoesMovesOnlyItsOwnHosts) {
  for (int i = 0; i < 500; ++i) {
    const std::vector<std::string> before = RendezvousOrder(Host(i), kServers);
    const std::vector<std::string> after = RendezvousOrder(Host(i), {"a:7743", "b:7743"});
    if (before[0] == "c:7743") {
      EXPECT_EQ(after[0], before[1]);
    } else {
      EXPECT_EQ(after[0], before[0]);
    }
  }
}

}  // namespace
}  // namespace entropyd
