// Connections on real sockets: which answers each kind of client gets, and how connections end.
#include "hostagent/guest/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/served_host.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ConnectionsTest : public ServedHostTest {};

TEST_F(ConnectionsTest, ARequestIsAnsweredInTheBatchItCameIn) {
  Arrive(1'000);
  Client client = Connect(kAuto);
  client.Send({0x02, 64});
  Turn();
  EXPECT_EQ(client.Receive(), StreamBytes(0, 64));
  EXPECT_EQ(counters().delivered_bytes.Get(), 64u);
  EXPECT_EQ(counters().requests[2].Get(), 1u);
}

TEST_F(ConnectionsTest, ARequestThatFindsPlentyIsCountedLikeAnyOther) {
  Arrive(100'000);
  Client client = Connect(kAuto);
  client.Send({0x02, 64});
  Turn();
  const int changes = upstream_.demands;
  client.Send({0x02, 64, 0x01, 10});
  Turn();
  EXPECT_EQ(client.Receive().size(), 64u + 64 + 11);
  EXPECT_EQ(upstream_.demands, changes);  // served at once, and no news for upstream
  EXPECT_EQ(counters().delivered_bytes.Get(), 138u);
  EXPECT_EQ(counters().buffer_level.Get(), 100'000u - 138);
  uint64_t waits = 0;
  for (const LoopNumber& n : counters().waits) waits += n.Get();
  EXPECT_EQ(waits, 3u);
  EXPECT_EQ(buffer().demand().waiting_guests, 1u);
}

TEST_F(ConnectionsTest, AShortReplyIsCompletedWhenBytesArrive) {
  Client client = Connect(kAuto, {0x02, 255, 0x04});
  EXPECT_THAT(client.Receive(), IsEmpty());
  EXPECT_EQ(buffer().demand().owed, 255u);
  EXPECT_EQ(buffer().demand().guests, 1u);
  Arrive(100);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 100));
  Arrive(1'000);
  const Bytes rest = client.Receive();
  const std::string pid = absl::StrCat(getpid());
  ASSERT_EQ(rest.size(), 155 + 1 + pid.size());
  EXPECT_EQ(std::string(rest.end() - static_cast<ptrdiff_t>(pid.size()), rest.end()), pid);
  EXPECT_EQ(buffer().demand().owed, 0u);
}

TEST_F(ConnectionsTest, MixedReadsInOnePipelineDoNotWaitForEachOthersBytes) {
  Bytes requests;
  for (int i = 0; i < 100; ++i) requests.insert(requests.end(), {0x02, 20, 0x01, 10});
  Arrive(100'000);
  Client client = Connect(kAuto, requests);
  Turn();
  EXPECT_EQ(buffer().demand().owed, 0u);
  EXPECT_GE(client.Receive().size(), 100u * 21);
}

TEST_F(ConnectionsTest, DemandIsToldWhenGuestsComeAskAndGo) {
  Client client = Connect(kAuto);
  EXPECT_GE(upstream_.demands, 1);
  EXPECT_EQ(buffer().demand().guests, 1u);
  const int before = upstream_.demands;
  client.Send({0x02, 8});
  Turn();
  EXPECT_GT(upstream_.demands, before);
  EXPECT_EQ(buffer().demand().owed, 8u);
  client.Hangup();
  Turn();
  EXPECT_EQ(buffer().demand().guests, 0u);
  EXPECT_EQ(buffer().demand().owed, 0u);
  EXPECT_EQ(host_->connections()->size(), 0u);
}

TEST_F(ConnectionsTest, AnOpenSslStyleClientSeesNoPrimedBytes) {
  Arrive(1'000);
  for (Door door : {kAuto, kEgd}) {
    const size_t at = 1'000 - buffer().level();
    Client client = Connect(door);
    Turn(10 * kSecondNanos);
    EXPECT_THAT(client.Receive(), IsEmpty());
    client.Send({0x01, 48});
    Turn();
    Bytes expected = StreamBytes(at, 48);
    expected.insert(expected.begin(), 48);
    EXPECT_EQ(client.Receive(), expected);
    client.Hangup();
    Turn();
  }
  EXPECT_EQ(counters().primed_bytes.Get(), 0u);
}

TEST_F(ConnectionsTest, APostfixStyleClientIsAnsweredOnAFreshConnection) {
  Arrive(100);
  Client bits = Connect(kAuto, {0x00});
  EXPECT_THAT(bits.Receive(), ElementsAre(0, 0, 3, 32));
  Client pid = Connect(kAuto, {0x04});
  EXPECT_EQ(pid.Receive().size(), 1 + absl::StrCat(getpid()).size());
  Client read = Connect(kAuto, {0x01, 32});
  EXPECT_EQ(read.Receive().size(), 33u);
  Client more = Connect(kAuto, {0x01, 255});
  EXPECT_EQ(more.Receive().at(0), 68);
}

TEST_F(ConnectionsTest, LastWordsThatComeTogetherWithTheEndAreAnsweredAndTheEndIsSeen) {
  Arrive(1'000);
  Client client = Connect(kEgd, {0x02, 10});
  EXPECT_EQ(client.Receive().size(), 10u);
  client.Send({0x02, 20});
  client.FinishSending();
  Turn();
  EXPECT_EQ(client.Receive().size(), 20u);
  Turn();
  Turn(2 * kSecondNanos);
  EXPECT_TRUE(client.Closed());
}

TEST_F(ConnectionsTest, AnEmptyBufferIsGivenARoundTripBeforeANonBlockingReadGetsNothing) {
  Client first = Connect(kAuto, {0x01, 32, 0x01, 0});
  Turn(200 * kMillisecondNanos - 1);
  EXPECT_THAT(first.Receive(), IsEmpty());
  Arrive(20);
  EXPECT_EQ(first.Receive().size(), 1 + 20 + 1u) << "what has come is an answer";
  Client none = Connect(kAuto, {0x01, 255, 0x01, 255, 0x04});
  Turn(200 * kMillisecondNanos - 1);
  EXPECT_THAT(none.Receive(), IsEmpty());
  Turn(1);
  const Bytes answers = none.Receive();
  ASSERT_EQ(answers.size(), 3 + absl::StrCat(getpid()).size());
  EXPECT_EQ(answers[0], 0);
  EXPECT_EQ(answers[1], 0);
  // A client that asks after that waits anew, and its end does no harm.
  none.Send({0x01, 1});
  Turn(1);
  EXPECT_THAT(none.Receive(), IsEmpty());
}

TEST_F(ConnectionsTest, AQemuThatReconnectsIsPrimedUntilItTakesNoMore) {
  Arrive(1'000'000);
  Client qemu = Connect(kQemu);
  Bytes seen = qemu.Receive();
  EXPECT_EQ(seen, StreamBytes(0, 64));
  // It was waiting for 300 bytes: it takes the first two pushes, and a part of the third.
  Turn(kSecondNanos);
  Bytes second = qemu.Receive();
  EXPECT_EQ(second, StreamBytes(64, 128));
  Turn(kSecondNanos);
  EXPECT_EQ(qemu.Receive(108), StreamBytes(192, 108));
  for (int i = 0; i < 60; ++i) Turn(kSecondNanos);
  EXPECT_EQ(OnlyGuest().primed(), 64u + 128 + 256);
  EXPECT_EQ(counters().primed_bytes.Get(), 448u);
  EXPECT_EQ(counters().delivered_bytes.Get(), 448u);
  // What it did not wait for is surplus. It is never subtracted from its next request.
  qemu.Send({0x02, 64});
  Turn();
  EXPECT_EQ(qemu.Receive(), StreamBytes(300, 148 + 64));
}

TEST_F(ConnectionsTest, AQemuWithNothingPendingKeepsTheFirstBytesForLater) {
  Arrive(1'000);
  Client qemu = Connect(kQemu);
  for (int i = 0; i < 60; ++i) Turn(kSecondNanos);
  EXPECT_EQ(OnlyGuest().primed(), 64u);
}

TEST_F(ConnectionsTest, PrimingEndsAt64KiBAStep) {
  Arrive(1'000'000);
  Client qemu = Connect(kQemu);
  size_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    taken += qemu.Receive().size();
    Turn(kSecondNanos);
  }
  EXPECT_EQ(taken, 2u * 64 * 1024 - 64);
}

TEST_F(ConnectionsTest, AConnectionThatSpokeIsNeverPrimed) {
  Arrive(10'000);
  Client first = Connect(kQemu, {0x02, 64});
  EXPECT_EQ(first.Receive(), StreamBytes(0, 64));
  Client half = Connect(kQemu, {0x02});
  for (int i = 0; i < 20; ++i) Turn(kSecondNanos);
  EXPECT_THAT(half.Receive(), IsEmpty());
  EXPECT_EQ(counters().primed_bytes.Get(), 0u);
}

TEST_F(ConnectionsTest, ACommandEndsPriming) {
  Arrive(10'000);
  Client qemu = Connect(kQemu);
  EXPECT_EQ(qemu.Receive().size(), 64u);
  qemu.Send({0x02, 10});
  Turn();
  EXPECT_EQ(qemu.Receive(), StreamBytes(64, 10));
  for (int i = 0; i < 20; ++i) Turn(kSecondNanos);
  EXPECT_THAT(qemu.Receive(), IsEmpty());
}

TEST_F(ConnectionsTest, PrimingWaitsForBytesAndIsDemand) {
  Client qemu = Connect(kQemu);
  EXPECT_EQ(buffer().demand().owed, 64u);
  Arrive(1'000);
  EXPECT_EQ(qemu.Receive(), StreamBytes(0, 64));
}

TEST_F(ConnectionsTest, PrimingStaysInsideTheGuestsCeiling) {
  Make(100, /*guest_ceil=*/1024);
  Arrive(1'000'000);
  Client qemu = Connect(kQemu);
  size_t taken = 0;
  for (int i = 0; i < 20; ++i) {
    taken += qemu.Receive().size();
    Turn(kSecondNanos);
  }
  EXPECT_LE(taken, 20u * 1024 + 4096);
  EXPECT_GE(taken, 10u * 1024);
}

TEST_F(ConnectionsTest, UnknownCommandIsAnsweredWithNothingAndClosed) {
  Arrive(1'000);
  Client other = Connect(kAuto);
  Client bad = Connect(kAuto, {0x02, 64, 0x55, 0x02, 64});
  EXPECT_TRUE(bad.Closed());
  EXPECT_EQ(counters().closed_unknown.Get(), 1u);
  EXPECT_EQ(host_->connections()->size(), 1u);
  other.Send({0x02, 32});
  Turn();
  EXPECT_EQ(other.Receive(), StreamBytes(0, 32));  // and nothing was lost
}

TEST_F(ConnectionsTest, HalfACommandAndAHangupIsFine) {
  Client client = Connect(kAuto, {0x03, 1});
  EXPECT_EQ(host_->connections()->size(), 1u);
  client.Hangup();
  Turn();
  EXPECT_EQ(host_->connections()->size(), 0u);
  EXPECT_EQ(counters().closed_unknown.Get(), 0u);
}

TEST_F(ConnectionsTest, HangupDropsWhatIsOwed) {
  Client client = Connect(kAuto, {0x02, 255});
  client.Hangup();
  Turn();
  Arrive(1'000);
  EXPECT_EQ(buffer().level(), 1'000u);
  EXPECT_EQ(counters().delivered_bytes.Get(), 0u);
}

TEST_F(ConnectionsTest, AfterAHalfCloseTheRestIsDeliveredAndThenClosed) {
  Client client = Connect(kAuto, {0x02, 200, 0x02, 100});
  client.FinishSending();
  Turn();
  Turn();
  EXPECT_EQ(host_->connections()->size(), 1u);
  Arrive(250);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 250));
  Arrive(250);
  EXPECT_EQ(host_->connections()->size(), 1u) << "the last reply was not read yet";
  EXPECT_EQ(client.Receive(), StreamBytes(250, 50));
  Turn(kSecondNanos / 10);
  EXPECT_EQ(host_->connections()->size(), 0u);
  EXPECT_TRUE(client.Closed());
}

TEST_F(ConnectionsTest, AHalfClosedPeerThatReadsNothingIsGivenUp) {
  Arrive(1'000);
  Client client = Connect(kAuto, {0x02, 200});
  client.FinishSending();
  Turn();
  Turn(2 * kSecondNanos);
  EXPECT_EQ(host_->connections()->size(), 0u);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 200));  // a closed unix socket keeps what was sent
}

TEST_F(ConnectionsTest, APrimedPeerThatEndsItsSideAndHangsUpLeavesNothingBehind) {
  Arrive(1'000);
  Client qemu = Connect(kQemu);  // primed: the agent looks at its socket in a second,
  qemu.FinishSending();
  Turn();  // and from now on sooner, until it has read what it got
  Turn(30 * kSecondNanos / 1'000);
  EXPECT_EQ(host_->connections()->size(), 1u);
  qemu.Hangup();
  Turn();
  EXPECT_EQ(host_->connections()->size(), 0u);
  for (int i = 0; i < 20; ++i) Turn(kSecondNanos);  // nothing looks at what is gone
  Client other = Connect(kAuto, {0x02, 8});
  EXPECT_EQ(other.Receive().size(), 8u);
}

TEST_F(ConnectionsTest, APrimedPeerThatEndsItsSideAndReadsNothingIsGivenUp) {
  Arrive(1'000);
  Client qemu = Connect(kQemu);
  qemu.FinishSending();
  Turn();
  for (int i = 0; i < 120; ++i) Turn(kSecondNanos / 100);
  EXPECT_EQ(host_->connections()->size(), 0u);
}

TEST_F(ConnectionsTest, TenThousandPipelinedRequestsAreAnsweredInOrder) {
  Client client = Connect(kAuto);
  Bytes requests;
  for (int i = 0; i < 10'000; ++i) requests.insert(requests.end(), {0x02, 100});
  client.Send(requests);
  for (int i = 0; i < 4; ++i) Turn();
  EXPECT_EQ(counters().requests[2].Get(), 10'000u);
  EXPECT_EQ(buffer().demand().owed, 1'000'000u);
  Arrive(1'000'000);
  Bytes seen;
  for (int i = 0; i < 100 && seen.size() < 1'000'000; ++i) {
    const Bytes part = client.Receive();
    seen.insert(seen.end(), part.begin(), part.end());
    Turn();
  }
  EXPECT_TRUE(seen == StreamBytes(0, 1'000'000));
}

TEST_F(ConnectionsTest, AStalledReaderIsReadOnAndHoldsUpNobody) {
  Arrive(3'000'000);
  Client stalled = Connect(kAuto);
  Bytes requests;
  for (int i = 0; i < 8'000; ++i) requests.insert(requests.end(), {0x02, 255});
  size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    stalled.Send(requests);  // never refused: the agent still reads
    sent += requests.size();
    Turn();
  }
  EXPECT_EQ(OnlyGuest().requests(), sent / 2);
  EXPECT_EQ(buffer().demand().owed, 0u) << "a stalled reader must not make the buffer grow";
  EXPECT_LE(arena_->used_bytes(), 4'500'000u);
  EXPECT_TRUE(host_->connections()->undelivered());

  Client other = Connect(kEgd, {0x02, 64});
  EXPECT_EQ(other.Receive().size(), 64u);

  Bytes seen;
  for (int i = 0; i < 1'000 && seen.size() < 2'000'000; ++i) {
    const Bytes part = stalled.Receive();
    seen.insert(seen.end(), part.begin(), part.end());
    Turn();
  }
  ASSERT_GE(seen.size(), 2'000'000u);
  // All that the stalled client got is from the stream and in order, without the other's 64 bytes.
  const Bytes head = StreamBytes(0, 100'000);
  EXPECT_TRUE(std::equal(head.begin(), head.end(), seen.begin()));
}

TEST_F(ConnectionsTest, TwoGuestsNeverGetTheSameBytes) {
  Client one = Connect(kAuto);
  Client two = Connect(kAuto);
  std::multiset<Bytes> blocks;
  for (int i = 0; i < 200; ++i) {
    one.Send({0x02, 64});
    two.Send({0x02, 64});
    Turn();
    Arrive(128);
    for (Client* client : {&one, &two}) {
      const Bytes reply = client->Receive();
      ASSERT_EQ(reply.size(), 64u);
      for (size_t at = 0; at < 64; at += 8) {
        blocks.emplace(reply.begin() + static_cast<ptrdiff_t>(at),
                       reply.begin() + static_cast<ptrdiff_t>(at + 8));
      }
    }
  }
  EXPECT_EQ(std::set<Bytes>(blocks.begin(), blocks.end()).size(), blocks.size());
}

TEST_F(ConnectionsTest, MaxGuestsAreServedAndTheNextIsClosed) {
  Make(2);
  Arrive(1'000);
  Client one = Connect(kAuto);
  Client two = Connect(kAuto);
  Client three = Connect(kAuto);
  EXPECT_TRUE(three.Closed());
  EXPECT_EQ(metrics_->connections.refused.Get(), 1u);
  two.Send({0x02, 8});
  Turn();
  EXPECT_EQ(two.Receive().size(), 8u);
  one.Hangup();
  Turn();
  Client four = Connect(kAuto, {0x02, 8});
  EXPECT_EQ(four.Receive().size(), 8u);
}

TEST_F(ConnectionsTest, AGuestAtItsCeilingIsServedWhenItsTokensAreBack) {
  Make(100, /*guest_ceil=*/10'000);
  Arrive(1'000'000);
  Client client = Connect(kAuto);
  Bytes requests;
  for (int i = 0; i < 1'000; ++i) requests.insert(requests.end(), {0x02, 255});
  client.Send(requests);
  Turn();
  size_t seen = client.Receive().size();
  EXPECT_LE(seen, 5'000u);
  for (int i = 0; i < 1'000; ++i) {
    Turn(kSecondNanos / 100);
    seen += client.Receive().size();
  }
  EXPECT_NEAR(static_cast<double>(seen), 104'000, 3'000);
}

}  // namespace
}  // namespace entropyd
