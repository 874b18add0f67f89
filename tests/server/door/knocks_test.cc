#include "server/door/knocks.h"

#include <sys/socket.h>

#include <utility>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(KnocksTest, BothEndsAreOfOneConnection) {
  Knocks knocks;
  const absl::StatusOr<UniqueFd> client = knocks.Add();
  ASSERT_TRUE(client.ok()) << client.status();
  const std::vector<UniqueFd> taken = knocks.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(send(client->get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(taken[0].get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_TRUE(knocks.Take().empty()) << "each is taken once";
}

TEST(KnocksTest, ThoseThatWaitAndThoseThatAreOpenHaveOneBound) {
  Knocks knocks;
  std::vector<UniqueFd> clients, servers;
  for (size_t i = 0; i < Knocks::kMaxOpen; ++i) {
    absl::StatusOr<UniqueFd> client = knocks.Add();
    ASSERT_TRUE(client.ok()) << client.status();
    clients.push_back(*std::move(client));
    if (i < 3) {
      for (UniqueFd& server : knocks.Take()) servers.push_back(std::move(server));
    }
  }
  EXPECT_TRUE(absl::IsResourceExhausted(knocks.Add().status()));
  servers.pop_back();
  EXPECT_TRUE(knocks.Add().ok()) << "one was closed";
  EXPECT_TRUE(absl::IsResourceExhausted(knocks.Add().status()));
}

}  // namespace
}  // namespace entropyd
