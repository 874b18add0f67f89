// Pools and classes that come, go and move while peers are there.
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class PoolsChangeTest : public DispatcherFixture {
 protected:
  // The classes of pool `default`, as the fixture makes them.
  static ClassesChange Classes() {
    ClassesChange change;
    change.update.pool = "default";
    change.update.specs = {Class("root", "", 100 << 20), Class("gold", "root", 10 << 20),
                           Class("slow", "root", 16 << 10, 64 << 10)};
    change.weigh_guests = {"gold"};
    return change;
  }
  absl::Status Change(PoolsChange change) {
    absl::Status status = absl::UnknownError("it did not run");
    Post(new Command([&](int64_t now_nanos) {
           status = dispatcher_->ChangePools(std::move(change), now_nanos);
         }),
         1);
    return status;
  }
  absl::Status Change(ClassesChange classes) {
    PoolsChange change;
    change.changed.push_back(std::move(classes));
    change.order = {"default", "scarce"};
    return Change(std::move(change));
  }
  FakePeer* OpenReady(const std::string& name, const std::string& identity) {
    FakePeer* const peer = Greet(identity);
    WriteAll(peer);
    Open(peer, 1, name);
    WriteAll(peer);
    return peer;
  }
  static const v1::ChannelState* StateOf(const ServerMessageView& message, uint32_t channel) {
    for (const v1::ChannelState& state : message.head.state()) {
      if (state.channel() == channel) return &state;
    }
    return nullptr;
  }
};

TEST_F(PoolsChangeTest, AChannelOfARemovedClassIsClosedWithTheReasonAndTheOthersNoticeNothing) {
  FakePeer* const gold = OpenReady("default/gold", "a");
  FakePeer* const slow = OpenReady("default/slow", "b");
  Credit(slow, 1, 256 * 1024, 0);  // most of it waits
  const size_t told = gold->wire.messages.size();
  ClassesChange classes = Classes();
  classes.update.specs.pop_back();
  ASSERT_TRUE(Change(classes).ok());
  WriteAll(slow);
  const v1::ChannelState* const state = StateOf(Last(slow), 1);
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(state->code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_EQ(state->reason(), "open default/slow: a new configuration has no such leaf class");
  EXPECT_FALSE(slow->wire.finished) << "its stream goes on";
  EXPECT_EQ(gold->wire.messages.size(), told);
  Credit(gold, 1, 1000, 0);
  EXPECT_EQ(Granted(gold, 1), 1000u);
  EXPECT_EQ(dispatcher_->classes().FindLeaf("default/slow"), nullptr);
  const uint64_t before = Granted(slow, 1);
  Advance(10 * kSecond);
  EXPECT_EQ(Granted(slow, 1), before);
  ExpectBalance();
}

TEST_F(PoolsChangeTest, APlanInARemovedClassIsGivenBack) {
  FakePeer* const peer = OpenReady("default/gold", "a");
  Credit(peer, 1, 8 * 1024, 0);
  Credit(peer, 1, 64 * 1024, 0);  // one message is on its way, and more is planned behind it
  ASSERT_TRUE(peer->write_pending());
  ASSERT_GT(totals().planned_bytes, 0u);
  ClassesChange classes = Classes();
  classes.update.specs.erase(classes.update.specs.begin() + 1);
  ASSERT_TRUE(Change(classes).ok());
  EXPECT_EQ(totals().planned_bytes, 0u);
  WriteAll(peer);
  ExpectBalance();
}

TEST_F(PoolsChangeTest, AGetThatWaitsInARemovedClassEndsWithTheReason) {
  FakeOutlet::Record record;
  PendingGet* const get = Get(&record, "default/slow", 32 * 1024);
  ASSERT_FALSE(record.done);
  ClassesChange classes = Classes();
  classes.update.specs.pop_back();
  ASSERT_TRUE(Change(classes).ok());
  ASSERT_TRUE(record.done);
  EXPECT_EQ(record.status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(record.status.message()), HasSubstr("get from default/slow: a new"));
  ExpectBalance();
  Post(get, PendingGet::kDead);
}

TEST_F(PoolsChangeTest, ALeafThatGetsChildrenLetsItsChannelsGo) {
  FakePeer* const peer = OpenReady("default/gold", "a");
  ClassesChange classes = Classes();
  classes.update.specs.push_back(Class("fine", "gold", 1 << 20));
  ASSERT_TRUE(Change(classes).ok());
  WriteAll(peer);
  EXPECT_EQ(StateOf(Last(peer), 1)->phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(dispatcher_->classes().FindLeaf("default/gold"), nullptr);
  Open(peer, 2, "default/fine");
  Credit(peer, 2, 1000, 0);
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 2), 1000u);
  ExpectBalance();
}

TEST_F(PoolsChangeTest, AClassThatMovesKeepsWhoWaitsThere) {
  FakePeer* const peer = OpenReady("default/slow", "a");
  Credit(peer, 1, 256 * 1024, 0);
  WriteAll(peer);
  const uint64_t before = Granted(peer, 1);
  ASSERT_LT(before, 256u * 1024);
  ClassesChange classes = Classes();
  classes.update.specs = {Class("root", "", 100 << 20), Class("gold", "root", 10 << 20),
                          Class("middle", "root", 1 << 20), Class("slow", "middle", 16 << 10)};
  ASSERT_TRUE(Change(classes).ok());
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 256u * 1024) << "the rest, without the old ceiling";
  EXPECT_EQ(Last(peer).head.state_size(), 0) << "the new figures were told before";
  ExpectBalance();
}

TEST_F(PoolsChangeTest, AnAddedClassCanBeOpenedAndMayWeighGuests) {
  ClassesChange classes = Classes();
  classes.update.specs.push_back(Class("new", "root", 1 << 20, 2 << 20));
  classes.weigh_guests = {"new"};
  ASSERT_TRUE(Change(classes).ok());
  const Leaf* const leaf = dispatcher_->classes().FindLeaf("default/new");
  ASSERT_NE(leaf, nullptr);
  EXPECT_TRUE(leaf->weigh_guests);
  EXPECT_EQ(leaf->rate, 1u << 20);
  EXPECT_EQ(leaf->ceil, 2u << 20);
  EXPECT_FALSE(dispatcher_->classes().FindLeaf("default/gold")->weigh_guests);
  FakePeer* const peer = OpenReady("default/new", "a");
  Credit(peer, 1, 1000, 0);
  EXPECT_EQ(Granted(peer, 1), 1000u);
}

TEST_F(PoolsChangeTest, WhoWaitsIsWeighedAnewWhenTheClassWeighsGuestsFromNowOn) {
  FakePeer* const many = OpenReady("default/gold", "a");
  FakePeer* const one = OpenReady("default/gold", "b");
  ClassesChange classes = Classes();
  classes.update.specs[0] = Class("root", "", 64 << 10, 64 << 10);
  classes.update.specs[1] = Class("gold", "root", 32 << 10);
  classes.weigh_guests = {};
  ASSERT_TRUE(Change(classes).ok());
  for (FakePeer* peer : {many, one}) WriteAll(peer);
  Credit(many, 1, 256 * 1024, 0, 3);
  Credit(one, 1, 256 * 1024, 0, 1);
  const auto run = [&] {
    const uint64_t a = Granted(many, 1), b = Granted(one, 1);
    for (int i = 0; i < 100; ++i) {
      Advance(10 * kMilli);
      for (FakePeer* peer : {many, one}) WriteAll(peer);
    }
    return static_cast<double>(Granted(many, 1) - a) / static_cast<double>(Granted(one, 1) - b);
  };
  EXPECT_NEAR(run(), 1, 0.2);
  classes.weigh_guests = {"gold"};
  ASSERT_TRUE(Change(classes).ok());
  EXPECT_NEAR(run(), 3, 0.6);
}

TEST_F(PoolsChangeTest, ARemovedPoolLetsAllGoAndIsNeverReadAgain) {
  FakePeer* const key = OpenReady("scarce/key", "a");
  FakePeer* const gold = OpenReady("default/gold", "b");
  Credit(key, 1, 64 * 1024, 0);
  FakeOutlet::Record record;
  full_.available = 0;
  PendingGet* const get = Get(&record, "scarce/key", 1000);
  const int reads = full_.reads;
  PoolsChange change;
  change.removed = {"scarce"};
  change.order = {"default"};
  ASSERT_TRUE(Change(std::move(change)).ok());
  full_.available = UINT64_MAX;
  WriteAll(key);
  EXPECT_EQ(StateOf(Last(key), 1)->phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(record.status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(dispatcher_->classes().slots().size(), 1u);
  Credit(gold, 1, 1000, 0);
  EXPECT_EQ(Granted(gold, 1), 1000u);
  Advance(2 * kSecond);
  EXPECT_EQ(full_.reads, reads);
  ExpectBalance();
  Post(get, PendingGet::kDead);
}

TEST_F(PoolsChangeTest, AnAddedPoolServesInThePlaceOfOneThatWentOrBesideIt) {
  FakePeer* const gold = OpenReady("default/gold", "b");
  FakePool other("other"), second("scarce");
  PoolsChange change;
  change.removed = {"scarce"};
  change.added.push_back(
      Setup(&other, 1024, {Class("top", "", 1 << 20), Class("x", "top", 1 << 20)}));
  change.added.push_back(
      Setup(&second, 1024, {Class("top", "", 1 << 20), Class("key", "top", 1 << 20)}));
  change.order = {"other", "scarce", "default"};
  ASSERT_TRUE(Change(std::move(change)).ok());
  const auto& slots = dispatcher_->classes().slots();
  ASSERT_EQ(slots.size(), 3u);
  EXPECT_EQ(slots[0]->pool, &other);
  EXPECT_EQ(slots[1]->pool, &second);
  EXPECT_EQ(slots[2]->pool, &drbg_);
  Open(gold, 2, "other/x");
  Open(gold, 3, "scarce/key");
  WriteAll(gold);
  for (uint32_t channel : {1, 2, 3}) Credit(gold, channel, 100, 0);
  WriteAll(gold);
  for (uint32_t channel : {1, 2, 3}) EXPECT_EQ(Granted(gold, channel), 100u);
  EXPECT_EQ(other.given, 100u);
  EXPECT_EQ(second.given, 100u);
  EXPECT_EQ(full_.given, 0u);
  ExpectBalance();
  protocols_.reset();  // before the pools of this test
  dispatcher_.reset();
  peers_.clear();
}

TEST_F(PoolsChangeTest, NewLimitsHoldForWhoComesAndNobodyWhoIsThereHasToGo) {
  FakePeer* const first = OpenReady("default/gold", "a");
  FakePeer* const second = OpenReady("default/gold", "b");
  Post(new Command([&](int64_t) {
         protocols_->SetLimits({.session = {.max_credit = 8192, .max_payload = 4096},
                                .max_agents = 1,
                                .max_gets = 1,
                                .shares = {}});
         dispatcher_->SetBudget({.max_in_flight = 4096, .message_bytes = 4096});
       }),
       1);
  EXPECT_FALSE(first->wire.finished);
  EXPECT_FALSE(second->wire.finished);
  Credit(first, 1, 256 * 1024, 0);
  EXPECT_FALSE(first->wire.finished) << "what its Welcome told it";
  EXPECT_LE(totals().planned_bytes + totals().in_flight_bytes, 4096u + 1024u);
  WriteAll(first);
  EXPECT_EQ(Granted(first, 1), 256u * 1024);
  FakePeer* const third = Attach("c");
  EXPECT_TRUE(third->wire.finished);
  EXPECT_EQ(third->wire.status.code(), absl::StatusCode::kResourceExhausted);
  Post(new Command([&](int64_t) {
         protocols_->SetLimits({.session = {.max_credit = 8192, .max_payload = 4096},
                                .max_agents = 10,
                                .max_gets = 1,
                                .shares = {}});
       }),
       1);
  FakePeer* const fourth = OpenReady("default/gold", "d");
  EXPECT_EQ(Message(fourth, 0).head.welcome().max_credit(), 8192u);
  EXPECT_EQ(Message(fourth, 0).head.welcome().max_payload(), 4096u);
  Credit(fourth, 1, 8193, 0);
  EXPECT_EQ(fourth->wire.status.code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace entropyd
