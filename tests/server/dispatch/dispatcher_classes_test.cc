// Classes whose figures change while they serve.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using DispatcherTest = DispatcherFixture;

// New figures for the classes of pool `default`, as the fixture makes them.
class ChangedClassesTest : public DispatcherTest {
 protected:
  absl::Status Change(uint64_t slow_ceil, bool with_gold = true) {
    ClassUpdate update;
    update.pool = "default";
    update.specs = {Class("root", "", 100 << 20), Class("slow", "root", 16 << 10, slow_ceil)};
    if (with_gold) update.specs.push_back(Class("gold", "root", 10 << 20));
    update.differing = {"slow"};
    absl::Status status;
    Post(new Command(
             [&](int64_t now_nanos) { status = dispatcher_->UpdateClasses(update, now_nanos); }),
         1);
    return status;
  }
  // The root, above `slow` and `gold`, has this ceiling from now on.
  absl::Status Cap(uint64_t ceil) {
    ClassUpdate update;
    update.pool = "default";
    update.specs = {Class("root", "", 10 << 20, ceil), Class("slow", "root", 16 << 10, 64 << 10),
                    Class("gold", "root", 1 << 20)};
    absl::Status status;
    Post(new Command(
             [&](int64_t now_nanos) { status = dispatcher_->UpdateClasses(update, now_nanos); }),
         1);
    return status;
  }
  FakePeer* Ready(const std::string& name, const std::string& identity) {
    FakePeer* const peer = Greet(identity);
    WriteAll(peer);
    Open(peer, 1, name);
    WriteAll(peer);
    return peer;
  }
  // What the peer was told last of its channel, and takes now.
  v1::ChannelState LastState(FakePeer* peer) {
    const v1::ServerMessage& head = Last(peer).head;
    EXPECT_EQ(head.state_size(), 1);
    const v1::ChannelState state = head.state_size() == 1 ? head.state(0) : v1::ChannelState();
    WriteAll(peer);
    return state;
  }
  FakePeer* OpenSlow(uint64_t limit) {
    FakePeer* const peer = Ready("default/slow", "spiffe://test/agent");
    Credit(peer, 1, limit, 0);
    WriteAll(peer);
    return peer;
  }
  // The bytes that channel 1 is granted within a second.
  uint64_t InASecond(FakePeer* peer) {
    const uint64_t before = Granted(peer, 1);
    for (int i = 0; i < 100; ++i) {
      Advance(10 * kMilli);
      WriteAll(peer);
    }
    return Granted(peer, 1) - before;
  }
};

TEST_F(ChangedClassesTest, WhatWaitsGoesOnWaitingAtTheNewFigures) {
  FakePeer* peer = OpenSlow(256 * 1024);
  EXPECT_NEAR(static_cast<double>(InASecond(peer)), 64 << 10, 4 << 10);
  ASSERT_TRUE(Change(32 << 10).ok());
  WriteAll(peer);
  EXPECT_NEAR(static_cast<double>(InASecond(peer)), 32 << 10, 4 << 10);
  ASSERT_TRUE(Change(100 << 10).ok());
  WriteAll(peer);
  EXPECT_NEAR(static_cast<double>(InASecond(peer)), 100 << 10, 4 << 10);
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 256u * 1024) << "all that was asked for before the first change";
  ExpectBalance();
}

TEST_F(ChangedClassesTest, ChannelsAreToldBeforeTheNextGrant) {
  FakePeer* peer = OpenSlow(256 * 1024);
  const size_t messages = peer->wire.messages.size();
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  ASSERT_GT(peer->wire.messages.size(), messages);
  const ServerMessageView& message = Message(peer, messages);
  ASSERT_EQ(message.head.state_size(), 1);
  EXPECT_EQ(message.head.state(0).ceil(), 0u);
  EXPECT_EQ(message.head.state(0).rate(), 16u << 10);
  EXPECT_EQ(message.head.state(0).phase(), v1::PHASE_OPEN);
  EXPECT_FALSE(message.head.state(0).discard_buffered());
  WriteAll(peer);
  const size_t told = peer->wire.messages.size();
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  EXPECT_EQ(peer->wire.messages.size(), told) << "no news";
}

TEST_F(ChangedClassesTest, ANewCeilingOfAClassAboveReachesAllThatAreOpenBelow) {
  FakePeer* const one = Ready("default/gold", "a");
  FakePeer* const two = Ready("default/gold", "b");
  FakePeer* const slow = Ready("default/slow", "c");
  EXPECT_EQ(LastState(one).ceil(), 0u) << "there is none from there to the root";
  ASSERT_TRUE(Cap(20 << 20).ok());
  EXPECT_EQ(LastState(one).ceil(), 20u << 20);
  EXPECT_EQ(LastState(two).ceil(), 20u << 20);
  WriteAll(slow);
  ASSERT_TRUE(Cap(32 << 20).ok());
  EXPECT_EQ(LastState(one).ceil(), 32u << 20);
  const v1::ChannelState told = LastState(slow);
  EXPECT_EQ(told.ceil(), 64u << 10) << "its own ceiling is smaller";
  ASSERT_EQ(told.above_size(), 1);
  EXPECT_EQ(told.above(0).class_(), "default/root");
  EXPECT_EQ(told.above(0).ceil(), 32u << 20);
  ASSERT_TRUE(Cap(ClassTree::kUnlimited).ok());
  EXPECT_EQ(LastState(one).ceil(), 0u);
}

TEST_F(ChangedClassesTest, AGetThatWaitsIsServedAtTheNewFigures) {
  FakeOutlet::Record record;
  PendingGet* get = Get(&record, "default/slow", 32 * 1024);
  EXPECT_FALSE(record.done);
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  ASSERT_TRUE(record.done);
  EXPECT_EQ(record.response.data().size(), 32u * 1024);
  ExpectBalance();
  Post(get, PendingGet::kDead);
}

TEST_F(ChangedClassesTest, ARefusedUpdateChangesNothing) {
  FakePeer* gold = Greet();
  WriteAll(gold);
  Open(gold, 1, "default/gold");
  WriteAll(gold);
  EXPECT_TRUE(absl::IsFailedPrecondition(Change(32 << 10, false)));
  EXPECT_EQ(dispatcher_->classes().FindLeaf("default/slow")->ceil, 64u << 10);
  EXPECT_TRUE(dispatcher_->classes().slots()[0]->differing.empty());
  ASSERT_TRUE(Change(32 << 10).ok());
  EXPECT_TRUE(dispatcher_->classes().slots()[0]->differing.contains("slow"));
}

}  // namespace
}  // namespace entropyd
