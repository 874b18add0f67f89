#include "server/attach/session_registry.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

class SessionRegistryTest : public ::testing::Test, public Session::Owner {
 protected:
  Session* Add(const std::string& identity, char host) {
    Session* const session = registry_.Add(std::make_unique<Session>(
        Session::Peer{identity, "peer"}, Session::Limits{}, &budgets_, &all_, this));
    v1::Hello hello;
    hello.set_version_max(1);
    hello.set_host_id(std::string(kHostIdBytes, host));
    EXPECT_TRUE(session->Hello(hello, 1).ok());
    return session;
  }
  void OnSession(Session*, uint32_t, int64_t) override {}
  void OnSomethingToSend(Session*) override {}

  PayloadBudgets budgets_{1 << 20, 1 << 10};
  Deliveries all_;
  SessionRegistry registry_;
};

TEST_F(SessionRegistryTest, TheNewestOfAHostReplacesTheOneBefore) {
  Session* const first = Add("a", 'x');
  Session* const second = Add("a", 'x');
  Session* const other = Add("a", 'y');
  EXPECT_EQ(registry_.Register(first, 0).replaced, nullptr);
  EXPECT_EQ(registry_.Register(other, 0).replaced, nullptr);
  EXPECT_EQ(registry_.Register(second, 0).replaced, first);
  EXPECT_EQ(registry_.registered(), 2u);
  registry_.Unregister(first);
  EXPECT_EQ(registry_.registered(), 2u) << "the host is the second's by now";
  registry_.Unregister(second);
  EXPECT_EQ(registry_.registered(), 1u);
}

TEST_F(SessionRegistryTest, ReplacementsAreForgottenAfterAMinute) {
  ASSERT_FALSE(registry_.Register(Add("a", 'x'), 0).cloned);
  for (size_t i = 0; i < SessionRegistry::kMaxReplacements; ++i) {
    ASSERT_FALSE(registry_.Register(Add("a", 'x'), kSecondNanos).cloned);
  }
  const int64_t minute = kSecondNanos + kMinuteNanos;
  EXPECT_TRUE(registry_.Register(Add("a", 'x'), minute - 1).cloned);
  EXPECT_FALSE(registry_.Register(Add("a", 'x'), minute).cloned);
}

TEST_F(SessionRegistryTest, WhoeverIsRemovedTheOthersStay) {
  Session* const sessions[] = {Add("a", '1'), Add("b", '2'), Add("c", '3'), Add("d", '4')};
  for (Session* session : sessions) ASSERT_FALSE(registry_.Register(session, 0).cloned);
  registry_.Remove(sessions[1]);
  registry_.Remove(sessions[3]);
  registry_.Remove(sessions[0]);
  ASSERT_EQ(registry_.sessions().size(), 1u);
  EXPECT_EQ(registry_.sessions()[0].get(), sessions[2]);
  EXPECT_EQ(registry_.registered(), 1u);
  registry_.Remove(sessions[2]);
  EXPECT_TRUE(registry_.sessions().empty());
}

}  // namespace
}  // namespace entropyd
