// Attach and Get on one dispatcher: what they share, and what happens to one while the other waits.
#include "server/attach/protocols.h"

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

class ProtocolsTest : public DispatcherFixture {
 protected:
  static constexpr char kIdentity[] = "spiffe://test/both";

  // An attached peer that has channel 1 in `name`. No write is outstanding.
  FakePeer* Ready(const std::string& name, const std::string& identity = kIdentity) {
    FakePeer* const peer = Greet(identity);
    WriteAll(peer);
    Open(peer, 1, name);
    WriteAll(peer);
    return peer;
  }
  // A call of the same identity that has some of its bytes and waits for the rest.
  PendingGet* Waiting(FakeOutlet::Record* record) {
    PendingGet* const get = Get(record, "default/slow", kGetMaxBytes, kIdentity);
    EXPECT_FALSE(record->done) << record->status;
    return get;
  }
  void AdvanceUntilDone(const FakeOutlet::Record& record) {
    for (int i = 0; i < 2000 && !record.done; ++i) Advance(kMilli);
  }
  uint32_t Drain(const std::string& identity, int64_t within_nanos) {
    uint32_t sessions = 0;
    Post(new Command([&](int64_t now) {
           sessions = protocols_->Drain(identity, "test", now, now + within_nanos);
         }),
         1);
    return sessions;
  }

  using Standing = Protocols::Standing;

  FakeOutlet::Record record_;
};

TEST_F(ProtocolsTest, BothAskOnePolicyAndSayWhichCallItIs) {
  using Asked = std::tuple<std::string, Call, std::string>;
  std::vector<Asked> asked;
  std::vector<PoolSetup> setups;
  setups.push_back(Setup(&drbg_, 1024, {Class("root", "", 1 << 20), Class("gold", "root", 1000)}));
  Protocols::Options options;
  options.allow = [&](absl::string_view identity, Call call, absl::string_view name) {
    asked.emplace_back(identity, call, name);
    return absl::PermissionDeniedError("no");
  };
  protocols_.reset();
  dispatcher_ =
      std::make_unique<Dispatcher>(Dispatcher::Options{}, std::move(setups), &clock_, &log_);
  protocols_ = std::make_unique<Protocols>(std::move(options), dispatcher_.get(), &clock_, &log_);
  FakePeer* const peer = Greet("spiffe://test/a");
  Open(peer, 1, "default/gold");
  PendingGet* const get = Get(&record_, "default/gold", 1, "spiffe://test/b");
  EXPECT_EQ(asked, (std::vector<Asked>{{"spiffe://test/a", Call::kAttach, "default/gold"},
                                       {"spiffe://test/b", Call::kGet, "default/gold"}}));
  EXPECT_EQ(protocols_->access().denied(), 2u);
  Post(get, PendingGet::kDead);
}

TEST_F(ProtocolsTest, IdleMeansThatNoTransportIsLeft) {
  EXPECT_TRUE(protocols_->idle());
  FakePeer* const peer = Attach();
  EXPECT_FALSE(protocols_->idle());
  Post(peer->session, Session::kReadEnd);
  ASSERT_TRUE(peer->wire.finished);
  EXPECT_FALSE(protocols_->idle());
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(protocols_->idle());
  PendingGet* const get = Get(&record_, "default/gold", 1);
  ASSERT_TRUE(record_.done);
  EXPECT_FALSE(protocols_->idle());
  Post(get, PendingGet::kDead);
  EXPECT_TRUE(protocols_->idle());
}

TEST_F(ProtocolsTest, ADrainOfOneIdentityLeavesItsCallsAlone) {
  Ready("default/gold");
  Ready("default/gold", "spiffe://test/other");
  EXPECT_EQ(Drain(kIdentity, kSecond), 1u);
  PendingGet* const get = Get(&record_, "default/gold", 10, kIdentity);
  EXPECT_EQ(record_.response.data().size(), 10u) << record_.status;
  Post(get, PendingGet::kDead);
}

TEST_F(ProtocolsTest, ADrainOfAllCountsStreamsAndRefusesBoth) {
  Ready("default/gold");
  Ready("default/gold", "spiffe://test/other");
  EXPECT_EQ(Drain("", kSecond), 2u);
  PendingGet* const get = Get(&record_, "default/gold", 10, kIdentity);
  EXPECT_TRUE(absl::IsUnavailable(record_.status)) << record_.status;
  EXPECT_TRUE(absl::IsUnavailable(Attach()->wire.status));
  Post(get, PendingGet::kDead);
}

TEST_F(ProtocolsTest, ADrainOfAllIsEndedForBoth) {
  Ready("default/gold");
  Drain(kIdentity, kSecond);
  EXPECT_EQ(protocols_->standing(), Standing::kServing);
  EXPECT_EQ(protocols_->EndDrain(), Standing::kServing) << "the server did not drain";
  Drain("", kSecond);
  EXPECT_EQ(protocols_->standing(), Standing::kDraining);
  EXPECT_EQ(protocols_->drain_reason(), "test");
  EXPECT_EQ(protocols_->EndDrain(), Standing::kDraining);
  EXPECT_EQ(protocols_->drain_reason(), "");
  EXPECT_EQ(protocols_->EndDrain(), Standing::kServing);
  PendingGet* const get = Get(&record_, "default/gold", 10);
  EXPECT_EQ(record_.response.data().size(), 10u) << record_.status;
  EXPECT_FALSE(Greet("spiffe://test/late")->wire.finished);
  Post(get, PendingGet::kDead);
}

TEST_F(ProtocolsTest, AStopIsToldAsADrainAndNothingUndoesIt) {
  FakePeer* const peer = Ready("default/gold");
  Drain("", 30 * kSecond);
  WriteAll(peer);
  Post(new Command([&](int64_t now) { protocols_->Stop(now, now + kSecond); }), 1);
  EXPECT_EQ(protocols_->standing(), Standing::kStopping);
  EXPECT_EQ(protocols_->drain_reason(), "the server shuts down");
  EXPECT_EQ(Last(peer).head.drain().deadline_ms(), 1000u) << "sooner than the operator's";
  WriteAll(peer);
  EXPECT_EQ(protocols_->EndDrain(), Standing::kStopping);
  Drain("", kSecond);
  EXPECT_EQ(protocols_->standing(), Standing::kStopping) << "an operator's drain changes nothing";
  EXPECT_EQ(protocols_->drain_reason(), "the server shuts down");
  EXPECT_TRUE(absl::IsUnavailable(Attach()->wire.status)) << "nobody new gets in";
  Advance(kSecond);
  EXPECT_TRUE(peer->session->ended());
}

// A drained server waits for the calls that it has begun.
TEST_F(ProtocolsTest, ADrainDuringAGetEndsTheStreamsAndTheCallGetsItsBytes) {
  FakePeer* const peer = Ready("default/slow");
  PendingGet* const get = Waiting(&record_);
  Credit(peer, 1, 100'000, 0);
  WriteAll(peer);
  Drain("", 100 * kMilli);
  WriteAll(peer);
  Advance(100 * kMilli);
  EXPECT_TRUE(peer->session->ended());
  EXPECT_FALSE(record_.done) << "it waits on";
  WriteAll(peer);
  Post(peer->session, Session::kDead);
  EXPECT_FALSE(protocols_->idle());
  AdvanceUntilDone(record_);
  EXPECT_TRUE(record_.status.ok()) << record_.status;
  EXPECT_EQ(record_.response.data().size(), kGetMaxBytes);
  Post(get, PendingGet::kDead);
  EXPECT_TRUE(protocols_->idle());
  ExpectBalance();
}

// Both wait in one class under one identity, so that they share one weight.
TEST_F(ProtocolsTest, AStreamThatEndsWhileAGetIsPendingLeavesItsShareToTheGet) {
  FakePeer* const peer = Ready("default/slow");
  Credit(peer, 1, 200'000, 0);
  WriteAll(peer);
  PendingGet* const get = Waiting(&record_);
  Post(peer->session, Session::kReadEnd);
  WriteAll(peer);
  Post(peer->session, Session::kDead);
  ASSERT_TRUE(peer->wire.deleted);
  const int64_t before = clock_.NowNanos();
  AdvanceUntilDone(record_);
  EXPECT_EQ(record_.response.data().size(), kGetMaxBytes) << record_.status;
  EXPECT_LE(clock_.NowNanos() - before, 600 * kMilli) << "32 KiB at 64 KiB/s";
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(ProtocolsTest, AGetThatEndsWhileAStreamWaitsLeavesItsShareToTheStream) {
  FakePeer* const peer = Ready("default/slow");
  PendingGet* const get = Waiting(&record_);
  Credit(peer, 1, 64 * 1024, 0);
  WriteAll(peer);
  Post(get, PendingGet::kCancelled);
  Post(get, PendingGet::kDead);
  for (int i = 0; i < 1200 && Granted(peer, 1) < 64 * 1024; ++i) {
    Advance(kMilli);
    WriteAll(peer);
  }
  EXPECT_EQ(Granted(peer, 1), 64u * 1024);
  ExpectBalance();
}

TEST_F(ProtocolsTest, OnePassServesBoth) {
  FakePeer* const peer = Ready("default/gold");
  full_.available = 0;
  PendingGet* const get = Get(&record_, "scarce/key", 100, kIdentity);
  Open(peer, 2, "scarce/key");
  WriteAll(peer);
  Credit(peer, 2, 100, 0);
  EXPECT_FALSE(record_.done);
  full_.available = 200;
  PoolsChanged();
  EXPECT_EQ(record_.response.data().size(), 100u) << record_.status;
  EXPECT_EQ(Granted(peer, 2), 100u);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(ProtocolsTest, TheEndOfTheServerFreesWhatStillWaits) {
  FakePeer* const peer = Ready("default/slow");
  Credit(peer, 1, 100'000, 0);
  Waiting(&record_);
  protocols_.reset();
  EXPECT_TRUE(peer->wire.deleted);
  EXPECT_FALSE(record_.done) << "nobody is left who could be told";
}

}  // namespace
}  // namespace entropyd
