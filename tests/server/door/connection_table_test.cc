#include "server/door/connection_table.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class ConnectionTableTest : public ::testing::Test {
 protected:
  using Id = ConnectionTable::Id;

  // Let in as the door does it. 0 = refused.
  Id Come(absl::string_view address) {
    const ConnectionTable::Answer answer = table_.Ask(address, now_);
    full_ = answer.full;
    gave_way_ = answer.give_way;
    if (answer.give_way != 0) table_.Remove(answer.give_way);
    if (!answer.come) return 0;
    table_.Add(++last_, address, now_);
    return last_;
  }
  void Fill(absl::string_view address, int count) {
    for (int i = 0; i < count; ++i) ASSERT_NE(Come(address), 0u);
  }

  ConnectionTable table_{
      {.connections = 10, .strangers = 6, .per_address = 4, .per_identity = 100}};
  int64_t now_ = 1'000 * kSecondNanos;
  Id last_ = 0;
  Id gave_way_ = 0;
  Full full_ = Full::kNothing;
};

TEST_F(ConnectionTableTest, WhileThereAreWhoeverComesIsIn) {
  EXPECT_EQ(Come("a"), 1u);
  EXPECT_EQ(Come("a"), 2u);
  EXPECT_EQ(full_, Full::kNothing);
  EXPECT_EQ(table_.connections(), 2u);
  EXPECT_EQ(table_.strangers(), 2u);
  EXPECT_FALSE(table_.MustWait(now_));
}

TEST_F(ConnectionTableTest, AnAddressHasAShareOfStrangers) {
  Fill("a", 4);
  EXPECT_EQ(Come("a"), 0u);
  EXPECT_EQ(full_, Full::kAddress);
  EXPECT_NE(Come("b"), 0u) << "another address does not notice";
  table_.Introduce(1, "i");
  EXPECT_NE(Come("a"), 0u) << "who has made a call takes no place of a stranger";
}

TEST_F(ConnectionTableTest, AtTheShareOfItsAddressTheOldestGivesWayOnceItHasHadItsTime) {
  Fill("a", 4);
  now_ += 3 * kSecondNanos - 1;
  EXPECT_EQ(Come("a"), 0u);
  now_ += 1;
  EXPECT_NE(Come("a"), 0u);
  EXPECT_EQ(gave_way_, 1u);
  EXPECT_EQ(table_.strangers(), 4u);
}

TEST_F(ConnectionTableTest, WhenStrangersFillTheirPlacesTheAddressWithMostOfThemGivesOneUp) {
  Fill("a", 4);
  Fill("b", 2);
  EXPECT_NE(Come("c"), 0u);
  EXPECT_EQ(full_, Full::kStrangers);
  EXPECT_EQ(gave_way_, 1u) << "the oldest of a";
  EXPECT_NE(Come("c"), 0u);
  EXPECT_EQ(gave_way_, 2u) << "a has three, c would have two";
  EXPECT_EQ(Come("c"), 0u) << "a and b have two, c would have three";
  EXPECT_NE(Come("d"), 0u);
}

TEST_F(ConnectionTableTest, NobodyGivesWayToAnAddressThatWouldThenHaveAsMany) {
  Fill("a", 2);
  Fill("b", 2);
  Fill("c", 1);
  Fill("d", 1);
  EXPECT_EQ(Come("c"), 0u) << "a would have one, and c two";
  EXPECT_EQ(full_, Full::kStrangers);
  EXPECT_NE(Come("e"), 0u);
  EXPECT_EQ(gave_way_, 1u);
}

TEST_F(ConnectionTableTest, AStrangerThatHasHadItsTimeGivesWayWhateverItsAddressHas) {
  for (const char* address : {"a", "b", "c", "d", "e", "f"}) ASSERT_NE(Come(address), 0u);
  EXPECT_TRUE(table_.MustWait(now_));
  now_ += 3 * kSecondNanos;
  EXPECT_FALSE(table_.MustWait(now_));
  EXPECT_NE(Come("g"), 0u);
  EXPECT_NE(gave_way_, 0u);
}

TEST_F(ConnectionTableTest, OfManyAddressesWithOneStrangerEachTheOldestGivesWay) {
  for (const char* address : {"a", "b", "c", "d", "e"}) ASSERT_NE(Come(address), 0u);
  now_ += 3 * kSecondNanos;
  ASSERT_NE(Come("z"), 0u);
  EXPECT_FALSE(table_.MustWait(now_)) << "z is fresh, the others are not";
  for (Id oldest = 1; oldest <= 5; ++oldest) {
    ASSERT_NE(Come(absl::StrCat("n", oldest)), 0u);
    EXPECT_EQ(gave_way_, oldest);
  }
  EXPECT_TRUE(table_.MustWait(now_));
}

TEST_F(ConnectionTableTest, NewConnectionsWaitOnlyWhileNobodyCanGiveWay) {
  for (const char* address : {"a", "b", "c", "d", "e"}) ASSERT_NE(Come(address), 0u);
  EXPECT_FALSE(table_.MustWait(now_)) << "there is a place";
  ASSERT_NE(Come("a"), 0u);
  EXPECT_FALSE(table_.MustWait(now_)) << "a has two";
  table_.Introduce(1, "i");
  EXPECT_FALSE(table_.MustWait(now_)) << "there is a place";
}

TEST_F(ConnectionTableTest, WhoIsKnownIsNeverAskedToGiveWay) {
  for (int i = 0; i < 10; ++i) {
    const Id id = Come("a");
    ASSERT_NE(id, 0u);
    table_.Introduce(id, "i");
  }
  now_ += kHourNanos;
  EXPECT_EQ(Come("b"), 0u);
  EXPECT_EQ(full_, Full::kConnections);
  EXPECT_EQ(gave_way_, 0u);
  EXPECT_EQ(table_.Greediest(), 0u);
  EXPECT_FALSE(table_.MustWait(now_)) << "a refusal tells a peer more than silence";
  table_.Remove(3);
  EXPECT_NE(Come("b"), 0u);
}

TEST_F(ConnectionTableTest, AmongAllConnectionsStrangersGiveWay) {
  for (int i = 0; i < 8; ++i) table_.Introduce(Come("known"), "i");
  Fill("a", 2);
  EXPECT_NE(Come("b"), 0u);
  EXPECT_EQ(full_, Full::kConnections);
  EXPECT_EQ(gave_way_, 9u);
}

TEST_F(ConnectionTableTest, TheGreediestIsTheOldestOfTheAddressWithMost) {
  Fill("a", 1);
  Fill("b", 2);
  EXPECT_EQ(table_.Greediest(), 2u);
  table_.Remove(2);
  table_.Remove(3);
  EXPECT_EQ(table_.Greediest(), 1u);
}

TEST_F(ConnectionTableTest, WhoIsGoneLeavesNothing) {
  for (int i = 0; i < 1'000; ++i) {
    const Id id = Come(absl::StrCat(i));
    ASSERT_NE(id, 0u);
    if (i % 2 == 0) table_.Introduce(id, "i");
    table_.Remove(id);
    table_.Remove(id);
    table_.Introduce(id, "i");
  }
  EXPECT_EQ(table_.connections(), 0u);
  EXPECT_EQ(table_.strangers(), 0u);
  EXPECT_EQ(table_.Greediest(), 0u);
}

TEST(ConnectionTableLimitsTest, NewLimitsDecideAboutNewcomersAndEndNobody) {
  ConnectionTable table({.connections = 4, .strangers = 4, .per_address = 4, .per_identity = 100});
  for (ConnectionTable::Id id = 1; id <= 4; ++id) table.Add(id, "a", 0);
  EXPECT_FALSE(table.Ask("a", 0).come);
  table.SetLimits({.connections = 5, .strangers = 5, .per_address = 5, .per_identity = 100});
  EXPECT_TRUE(table.Ask("a", 0).come);
  table.SetLimits({.connections = 2, .strangers = 2, .per_address = 2, .per_identity = 100});
  EXPECT_EQ(table.connections(), 4u);
  EXPECT_FALSE(table.Ask("a", 0).come);
}

TEST_F(ConnectionTableTest, AnIdentityHasAShareOfTheConnections) {
  table_.SetLimits({.connections = 100, .strangers = 50, .per_address = 50, .per_identity = 2});
  Fill("a", 5);
  EXPECT_TRUE(table_.Introduce(1, "reader"));
  EXPECT_TRUE(table_.Introduce(2, "reader"));
  EXPECT_TRUE(table_.Introduce(2, "reader")) << "it has its place";
  EXPECT_FALSE(table_.Introduce(3, "reader"));
  EXPECT_EQ(table_.strangers(), 3u) << "it stays a stranger";
  EXPECT_TRUE(table_.Introduce(4, "agent")) << "others do not notice";
  table_.Remove(1);
  EXPECT_TRUE(table_.Introduce(3, "reader"));
  EXPECT_FALSE(table_.Introduce(5, "reader"));
  table_.Remove(2);
  table_.Remove(2);
  table_.Remove(3);
  EXPECT_TRUE(table_.Introduce(5, "reader"));
  EXPECT_EQ(table_.connections(), 2u);
}

TEST_F(ConnectionTableTest, OnlyStrangersLeaveForDenials) {
  Fill("a", 2);
  table_.Introduce(1, "i");
  for (int i = 1; i < ConnectionTable::kMaxDenials; ++i) EXPECT_FALSE(table_.Deny(2));
  EXPECT_TRUE(table_.Deny(2));
  for (int i = 0; i < 2 * ConnectionTable::kMaxDenials; ++i) EXPECT_FALSE(table_.Deny(1));
  EXPECT_FALSE(table_.Deny(99));
}

TEST_F(ConnectionTableTest, WhoGoesOnMakingTooManyCallsLeaves) {
  Fill("a", 2);
  table_.Introduce(1, "i");
  for (const Id id : {1, 2}) {
    for (int i = 1; i < ConnectionTable::kMaxExcesses; ++i) {
      EXPECT_FALSE(table_.Exceed(id, now_));
    }
    EXPECT_TRUE(table_.Exceed(id, now_));
  }
  EXPECT_FALSE(table_.Exceed(99, now_));
}

TEST_F(ConnectionTableTest, WhoMakesACallTooManyNowAndThenMayStay) {
  Fill("a", 1);
  for (int i = 0; i < 3; ++i) {
    for (int j = 1; j < ConnectionTable::kMaxExcesses; ++j) {
      ASSERT_FALSE(table_.Exceed(1, now_));
    }
    now_ += ConnectionTable::kExcessWindowNanos - 1;
    now_ += 1;
  }
  ASSERT_FALSE(table_.Exceed(1, now_)) << "a window that begins";
}

TEST_F(ConnectionTableTest, TooManyCallsOfOneWindowEndAConnection) {
  Fill("a", 1);
  for (int i = 1; i < ConnectionTable::kMaxExcesses; ++i) ASSERT_FALSE(table_.Exceed(1, now_));
  now_ += ConnectionTable::kExcessWindowNanos - 1;
  EXPECT_TRUE(table_.Exceed(1, now_));
}

TEST_F(ConnectionTableTest, AStrangerHasAMinuteForItsFirstCall) {
  Fill("a", 2);
  now_ += kSecondNanos;
  Fill("b", 1);
  table_.Introduce(2, "i");
  now_ += ConnectionTable::kMaxSilentNanos - kSecondNanos - 1;
  EXPECT_TRUE(table_.Silent(now_).empty());
  now_ += 1;
  EXPECT_EQ(table_.Silent(now_), std::vector<Id>{1});
  table_.Dismiss(1);
  EXPECT_TRUE(table_.Silent(now_).empty());
  now_ += kSecondNanos;
  EXPECT_EQ(table_.Silent(now_), std::vector<Id>{3});
  EXPECT_EQ(table_.Strangers(), std::vector<Id>{3});
}

}  // namespace
}  // namespace entropyd
