// One identity goes over its share of something that all share; another one notices nothing.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

class IdentityLimitsTest : public DispatcherFixture {
 protected:
  static constexpr char kGreedy[] = "spiffe://test/greedy";
  static constexpr char kHonest[] = "spiffe://test/honest";

  const IdentityShares::Totals& denials() const { return protocols_->shares().totals(); }
  FakePeer* Ready(const std::string& identity, char host) {
    FakePeer* const peer = Greet(identity, host);
    WriteAll(peer);
    Open(peer, 1, "default/gold");
    WriteAll(peer);
    return peer;
  }
  // The greedy identity's streams, none of which takes a byte that it asked for.
  std::vector<FakePeer*> NeverRead(int streams) {
    std::vector<FakePeer*> peers;
    for (int i = 0; i < streams; ++i) peers.push_back(Ready(kGreedy, static_cast<char>(i)));
    for (FakePeer* peer : peers) Credit(peer, 1, kLimits.max_credit, 0);
    return peers;
  }
  // What the honest identity gets in so many rounds, each of which asks for a message more.
  uint64_t Served(int rounds) {
    FakePeer* const peer = Ready(kHonest, 'h');
    for (int i = 1; i <= rounds; ++i) {
      Credit(peer, 1, i * uint64_t{kPayload}, Granted(peer, 1));
      WriteAll(peer);
    }
    return Granted(peer, 1);
  }
};

TEST_F(IdentityLimitsTest, StreamsThatNeverReadFillTheirIdentitysPartOfWhatIsInFlight) {
  constexpr uint64_t kWhole = 1 << 20, kPart = kWhole / 4;
  Make({.max_in_flight = kWhole,
        .max_streams_per_identity = 1000,
        .max_in_flight_per_identity = kPart});
  const std::vector<FakePeer*> greedy = NeverRead(256);
  EXPECT_GE(dispatcher_->budgets()->all.used(), kPart);
  EXPECT_LE(dispatcher_->budgets()->all.used(), kPart + 1024) << "one grant more at most";
  EXPECT_EQ(Served(20), 20u * kPayload);
  EXPECT_GT(denials().byte_waits, 0u);
  // Those that wait are served when one of them reads after all, or is given up.
  const auto with_bytes = [&] {
    return std::count_if(greedy.begin(), greedy.end(),
                         [this](FakePeer* peer) { return Granted(peer, 1) > 0; });
  };
  const auto before = with_bytes();
  EXPECT_LT(before, 256);
  Advance(kMinuteNanos);
  for (FakePeer* peer : greedy) {
    if (peer->wire.cancelled) {
      Die(peer);
    } else if (Granted(peer, 1) == 0) {
      WriteAll(peer);  // a heartbeat, which the network takes
    }
  }
  EXPECT_GT(with_bytes(), before);
  ExpectBalance();
}

// The same without a share: this is what it prevents.
TEST_F(IdentityLimitsTest, WithoutAShareTheyWouldLeaveNothing) {
  Make({.max_in_flight = 1 << 20, .max_streams_per_identity = 1000});
  NeverRead(256);
  EXPECT_EQ(Served(20), 0u);
}

TEST_F(IdentityLimitsTest, StreamsBeyondTheShareAreRefusedAndCounted) {
  Make({.max_agents = 20, .max_streams_per_identity = 16});
  std::vector<FakePeer*> streams;
  for (int i = 0; i < 16; ++i) streams.push_back(Greet(kGreedy, static_cast<char>(i)));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Attach(kGreedy)->wire.status,
              absl::ResourceExhaustedError("attach: spiffe://test/greedy has 16 streams "
                                           "(max_streams_per_identity)"));
  }
  EXPECT_EQ(denials().denied_streams, 100u);
  EXPECT_EQ(totals().denied_capacity, 0u) << "a refused one takes no place, even before it is gone";
  EXPECT_EQ(Served(2), 2u * kPayload);
  EXPECT_EQ(log_.CountWith("reason=identity_share"), 1) << "a line in ten seconds";
  WriteAll(streams[0]);
  Die(streams[0]);
  EXPECT_FALSE(Attach(kGreedy)->wire.finished) << "the place of one that is gone is free";
}

TEST_F(IdentityLimitsTest, AStreamThatSendsTooMuchIsReadMoreSlowly) {
  Make({.max_messages_per_second = 100});
  FakePeer* const greedy = Ready(kGreedy, 'g');
  const int before = greedy->wire.reads;
  int said = 0;
  // The transport hands over a message for each read, and one read waits now.
  int handed_over = before - 1;
  const auto flood = [&] {
    for (; handed_over < greedy->wire.reads; ++handed_over) {
      Credit(greedy, 1, kPayload, Granted(greedy, 1));
      WriteAll(greedy);
      ++said;
    }
  };
  flood();
  EXPECT_LE(greedy->wire.reads - before, 100);
  EXPECT_GT(greedy->wire.reads - before, 90);
  EXPECT_EQ(denials().held_reads, 1u);
  EXPECT_EQ(Served(20), 20u * kPayload);
  EXPECT_FALSE(greedy->wire.finished) << "its stream goes on";
  const int first = said;
  for (int i = 0; i < 10; ++i) {
    Advance(kSecond);
    flood();
  }
  EXPECT_NEAR(said - first, 1000, 110);
  ExpectBalance();
}

TEST_F(IdentityLimitsTest, AHeldReadOfAStreamThatIsGoneIsForgotten) {
  Make({.max_messages_per_second = 3});
  FakePeer* const peer = Greet(kGreedy);
  Open(peer, 1, "default/gold");
  Credit(peer, 1, 100, 0);  // it has read three messages
  ASSERT_EQ(denials().held_reads, 1u);
  Die(peer);
  EXPECT_TRUE(peer->wire.deleted);
  Advance(2 * kSecond);
  EXPECT_TRUE(registry().sessions().empty());
}

TEST_F(IdentityLimitsTest, WhatPendingGetsHoldCountsInTheShareOfTheirIdentity) {
  constexpr uint64_t kPart = 1000;
  Make({.max_in_flight_per_identity = kPart});
  FakeOutlet::Record record;
  PendingGet* const get = Get(&record, "default/slow", kGetMaxBytes, kGreedy);
  for (int i = 0; i < 10 && totals().planned_bytes < kPart; ++i) Advance(kSecond / 10);
  ASSERT_GE(totals().planned_bytes, kPart);
  ASSERT_FALSE(record.done);

  FakePeer* const peer = Ready(kGreedy, 'g');
  Credit(peer, 1, 100, 0);
  EXPECT_EQ(Granted(peer, 1), 0u) << "its stream waits";
  EXPECT_EQ(denials().byte_waits, 1u);
  EXPECT_EQ(Served(3), 3u * kPayload) << "others do not";
  const uint64_t held = totals().planned_bytes;
  Advance(kSecond / 10);
  EXPECT_GT(totals().planned_bytes, held) << "nor does a Get that has begun";

  Post(get, PendingGet::kCancelled);
  EXPECT_EQ(Granted(peer, 1), 100u);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(IdentityLimitsTest, GetsBeyondTheShareLeaveThePlacesToOthers) {
  Make({.max_gets = 4, .max_gets_per_identity = 2});
  std::vector<FakeOutlet::Record> records(10);
  std::vector<PendingGet*> gets;
  for (FakeOutlet::Record& record : records) {
    gets.push_back(Get(&record, "default/slow", kGetMaxBytes, kGreedy));
  }
  EXPECT_EQ(denials().denied_gets, 8u);
  FakeOutlet::Record honest;
  PendingGet* const get = Get(&honest, "default/gold", 100, kHonest);
  EXPECT_EQ(honest.response.data().size(), 100u) << honest.status;
  gets.push_back(get);
  for (PendingGet* one : gets) Post(one, PendingGet::kDead);
  Advance(2 * kSecond);
  EXPECT_EQ(protocols_->shares().identities(), 0u);
  ExpectBalance();
}

}  // namespace
}  // namespace entropyd
