#include "server/attach/get_protocol.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "client/get_client.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class GetProtocolTest : public DispatcherFixture {
 protected:
  // One call, and how it went.
  struct Call {
    PendingGet* get = nullptr;
    FakeOutlet::Record record;
  };
  Call* Begin(const std::string& name, uint32_t bytes,
              const std::string& identity = "spiffe://test/reader",
              v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    calls_.push_back(std::make_unique<Call>());
    Call* const call = calls_.back().get();
    call->get = Get(&call->record, name, bytes, identity, quality);
    return call;
  }
  // A call that waits for its class's tokens and has some of its bytes.
  Call* Waiting(const std::string& identity = "spiffe://test/reader") {
    Call* const call = Begin("default/slow", kGetMaxBytes, identity);
    EXPECT_FALSE(call->record.done) << call->record.status;
    return call;
  }
  void Die(Call* call) { Post(call->get, PendingGet::kDead); }
  GetProtocol& gets() { return *protocols_->get(); }
  bool NobodyWaits() const {
    const auto& classes = dispatcher_->classes();
    return classes.FindLeaf("default/gold")->members.empty() &&
           classes.FindLeaf("default/slow")->members.empty() &&
           classes.FindLeaf("scarce/key")->members.empty();
  }
  int Logged(absl::string_view what) const { return log_.CountWith(what); }

  std::vector<std::unique_ptr<Call>> calls_;
};

TEST_F(GetProtocolTest, AGetIsItsMakersUntilItsStartIsPosted) {
  FakeOutlet::Record record;
  std::unique_ptr<PendingGet> get = gets().NewGet({"spiffe://test/reader", "default/gold", 10});
  get->SetOutlet(std::make_unique<FakeOutlet>(&record));
  Advance(60 * kSecond);
  EXPECT_EQ(gets().waiting(), 0u);
  EXPECT_FALSE(record.done);
  get.reset();
  Tick();
  EXPECT_FALSE(record.done);
}

TEST_F(GetProtocolTest, OneByteAndTheMostAreBothGiven) {
  Call* const least = Begin("default/gold", 1);
  Call* const most = Begin("default/gold", kGetMaxBytes);
  for (int i = 0; i < 1000 && !most->record.done; ++i) Advance(kMilli);
  EXPECT_EQ(least->record.response.data().size(), 1u);
  EXPECT_EQ(most->record.response.data().size(), kGetMaxBytes);
  EXPECT_EQ(least->record.finishes + most->record.finishes, 0) << "a reply is the end";
  EXPECT_EQ(gets().totals().given_bytes, 1u + kGetMaxBytes);
  EXPECT_TRUE(NobodyWaits());
  ExpectBalance();
}

TEST_F(GetProtocolTest, NewRulesEndTheCallsOfWhoeverIsShutOutAndNobodyElses) {
  Call* const good = Waiting("spiffe://test/good");
  Call* const bad = Waiting("spiffe://test/bad");
  SetRules("spiffe://test/bad");
  EXPECT_EQ(bad->record.status, absl::UnauthenticatedError("revoked"));
  EXPECT_FALSE(good->record.done);
  EXPECT_EQ(gets().totals().shut_out, 1u);
  Call* const late = Begin("default/gold", 1, "spiffe://test/bad");
  EXPECT_EQ(late->record.status, absl::UnauthenticatedError("revoked")) << "the gate was too early";
  SetRules("", "default/slow");
  EXPECT_EQ(good->record.status, absl::PermissionDeniedError("not for you"));
  EXPECT_EQ(bad->record.finishes, 1);
  EXPECT_TRUE(NobodyWaits());
  ExpectBalance();
}

TEST_F(GetProtocolTest, ARefusalNamesItsReason) {
  const auto refusal = [this](const std::string& name, uint32_t bytes,
                              v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    Call* const call = Begin(name, bytes, "spiffe://test/reader", quality);
    EXPECT_EQ(call->record.finishes, 1) << name;
    EXPECT_EQ(gets().waiting(), 1u) << "until its outlet is dead";
    Die(call);
    EXPECT_EQ(gets().waiting(), 0u);
    return call->record.status;
  };
  EXPECT_EQ(refusal("default/gold", 0),
            absl::InvalidArgumentError("get: bytes is 0, must be 1..32768"));
  EXPECT_EQ(refusal("default/gold", kGetMaxBytes + 1),
            absl::InvalidArgumentError("get: bytes is 32769, must be 1..32768"));
  EXPECT_EQ(refusal("default/secret", 1), absl::PermissionDeniedError("not for you"));
  EXPECT_EQ(refusal("default/nonsuch", 1),
            absl::NotFoundError("get from default/nonsuch: the server has no such class"));
  EXPECT_TRUE(absl::IsFailedPrecondition(refusal("default/gold", 1, v1::QUALITY_FULL)));
  EXPECT_EQ(refusal(std::string(60'000, 'a'), 1),
            absl::InvalidArgumentError("get from '" + std::string(64, 'a') +
                                       "…' (60000 bytes): no POOL/CLASS: each is 1 to 256 letters, "
                                       "digits, '-', '_' and '.'"));
  drbg_.state.phase = PoolState::Phase::kSuspended;
  drbg_.state.reason = PoolState::Reason::kSeedWornOut;
  PoolsChanged();
  const absl::Status suspended = refusal("default/gold", 1);
  EXPECT_TRUE(absl::IsUnavailable(suspended)) << suspended;
  EXPECT_THAT(std::string(suspended.message()),
              HasSubstr("get from default/gold: the pool is suspended: no seed since"));
  EXPECT_EQ(gets().totals().given_bytes, 0u);
  EXPECT_EQ(gets().totals().denied_capacity, 0u);
  EXPECT_EQ(totals().denied_class, 1u);
  EXPECT_TRUE(NobodyWaits());
  EXPECT_EQ(drbg_.reads, 0);
}

// What is wrong with the call itself comes before what is wrong with the moment, and the policy is
// asked only for a call that could be served.
TEST_F(GetProtocolTest, TheFirstReasonIsTold) {
  Make({.max_gets = 0});
  EXPECT_TRUE(absl::IsInvalidArgument(Begin("default/secret", 0)->record.status));
  EXPECT_TRUE(absl::IsResourceExhausted(Begin("default/secret", 1)->record.status));
  EXPECT_EQ(totals().denied_class, 0u);
  gets().Drain();
  EXPECT_EQ(Begin("default/secret", 0)->record.status,
            absl::UnavailableError("get: the server drains; ask another one"));
  EXPECT_EQ(gets().totals().denied_capacity, 1u);
}

TEST_F(GetProtocolTest, AsManyMayWaitAsTheOptionsSay) {
  Make({.max_gets = 3, .max_gets_per_identity = 2});
  Call* const one = Waiting("a");
  Call* const two = Waiting("a");
  Call* const third_of_a = Begin("default/slow", 1, "a");
  EXPECT_EQ(third_of_a->record.status,
            absl::ResourceExhaustedError(
                "get: 2 calls of a wait (max_gets_per_identity); try again later"));
  Die(third_of_a);
  Waiting("b");
  EXPECT_EQ(Begin("default/slow", 1, "c")->record.status,
            absl::ResourceExhaustedError("get: 3 calls wait (max_gets); try again later"));
  EXPECT_EQ(gets().totals().denied_capacity, 1u);
  EXPECT_EQ(protocols_->shares().totals().denied_gets, 1u);
  EXPECT_FALSE(one->record.done);
  EXPECT_FALSE(two->record.done);
  EXPECT_EQ(gets().waiting(), 4u) << "the refused one's outlet is not dead";
}

// A caller has its answer before the server knows that the network took it.
TEST_F(GetProtocolTest, WhoHasItsAnswerMayAskAgainAtOnce) {
  Make({.max_gets = 1, .max_gets_per_identity = 1});
  for (int i = 0; i < 2; ++i) {
    Call* const call = Begin("default/gold", 1, "a");
    EXPECT_TRUE(call->record.status.ok()) << call->record.status;
    EXPECT_TRUE(call->record.done);
  }
}

TEST_F(GetProtocolTest, AnswersThatNobodyReadsHaveALimitOfTheirOwn) {
  Make({.max_gets_per_identity = 1});
  std::vector<Call*> unread;
  for (int i = 0; i < 4; ++i) unread.push_back(Begin("default/gold", 1, "a"));
  for (Call* call : unread) ASSERT_TRUE(call->record.done) << call->record.status;
  Call* const beyond = Begin("default/gold", 1, "a");
  EXPECT_EQ(beyond->record.status,
            absl::ResourceExhaustedError(
                "get: 4 answers to a are not read yet (max_gets_per_identity); read them first"));
  EXPECT_EQ(protocols_->shares().totals().denied_gets, 1u);
  EXPECT_TRUE(Begin("default/gold", 1, "b")->record.status.ok()) << "others have their own";
  Die(unread.front());
  Call* const next = Begin("default/gold", 1, "a");
  EXPECT_TRUE(next->record.status.ok()) << next->record.status;
  EXPECT_EQ(next->record.response.data().size(), 1u);
}

TEST_F(GetProtocolTest, UnreadAnswersOfAllIdentitiesHaveALimit) {
  Make({.max_gets = 1, .max_gets_per_identity = 1});
  for (const char* identity : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(Begin("default/gold", 1, identity)->record.done) << identity;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(Begin("default/gold", 1, "e")->record.status));
  EXPECT_EQ(gets().totals().denied_capacity, 1u);
}

TEST_F(GetProtocolTest, ACallThatGivesUpIsToldSoOnceAndHoldsNothing) {
  Call* const call = Waiting();
  ASSERT_GT(totals().planned_bytes, 0u);
  Post(call->get, PendingGet::kCancelled);
  EXPECT_TRUE(absl::IsCancelled(call->record.status)) << call->record.status;
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_TRUE(NobodyWaits());
  Post(call->get, PendingGet::kCancelled);
  Die(call);
  EXPECT_EQ(call->record.finishes, 1);
  EXPECT_EQ(gets().totals().given_bytes, 0u);
  ExpectBalance();
}

TEST_F(GetProtocolTest, AnOutletThatDiesTakesItsCallWithIt) {
  Call* const waits = Waiting();
  Die(waits);
  EXPECT_EQ(gets().waiting(), 0u);
  EXPECT_TRUE(NobodyWaits());
  EXPECT_EQ(totals().planned_bytes, 0u);
  // One that has gone before anybody looked at it.
  FakeOutlet::Record record;
  PendingGet* const get = gets().NewGet({"spiffe://test/reader", "default/slow", 100}).release();
  get->SetOutlet(std::make_unique<FakeOutlet>(&record));
  Post(get, PendingGet::kStart | PendingGet::kCancelled | PendingGet::kDead);
  EXPECT_TRUE(absl::IsCancelled(record.status)) << record.status;
  EXPECT_EQ(gets().waiting(), 0u);
  EXPECT_TRUE(NobodyWaits());
  ExpectBalance();
}

TEST_F(GetProtocolTest, AnAnsweredCallHearsNothingMore) {
  Call* const call = Begin("default/gold", 100);
  ASSERT_TRUE(call->record.done);
  drbg_.state.phase = PoolState::Phase::kSuspended;
  PoolsChanged();
  Advance(31 * kSecond);
  Post(call->get, PendingGet::kCancelled);
  Die(call);
  EXPECT_EQ(call->record.finishes, 0);
  EXPECT_EQ(gets().totals().given_bytes, 100u);
}

TEST_F(GetProtocolTest, ACallWaitsThirtySeconds) {
  full_.available = 10;
  const int64_t begun = clock_.NowNanos();
  Call* const call = Begin("scarce/key", 1000);
  EXPECT_EQ(gets().Sweep(begun + 30 * kSecond - 1), kNever);
  EXPECT_FALSE(call->record.done);
  EXPECT_EQ(gets().Sweep(begun + 30 * kSecond), kNever);
  EXPECT_EQ(call->record.status,
            absl::DeadlineExceededError(
                "get from scarce/key: the class could not give 1000 bytes within 30 s"));
  gets().Sweep(begun + 31 * kSecond);
  EXPECT_EQ(call->record.finishes, 1);
  EXPECT_EQ(totals().planned_bytes, 0u);
  ExpectBalance();
}

TEST_F(GetProtocolTest, ADrainRefusesNewCallsAndThoseThatWaitGetTheirBytes) {
  Call* const call = Waiting();
  gets().Drain();
  Call* const late = Begin("default/gold", 1);
  EXPECT_TRUE(absl::IsUnavailable(late->record.status));
  for (int i = 0; i < 1000 && !call->record.done; ++i) Advance(kMilli);
  EXPECT_TRUE(call->record.status.ok()) << call->record.status;
  EXPECT_EQ(call->record.response.data().size(), kGetMaxBytes);
  EXPECT_EQ(gets().totals().given_bytes, kGetMaxBytes);
  gets().EndDrain();
  EXPECT_EQ(Begin("default/gold", 1)->record.response.data().size(), 1u);
}

TEST_F(GetProtocolTest, APoolThatRefusesEndsTheCallAndIsNotAskedAgainAtOnce) {
  drbg_.next_error = absl::UnavailableError("no seed");
  Call* const call = Begin("default/gold", 100);
  EXPECT_EQ(call->record.status, absl::UnavailableError("no seed"));
  EXPECT_EQ(Logged("pool.refused pool=default error=UNAVAILABLE: no seed"), 1);
  EXPECT_EQ(totals().forfeited_bytes, 100u);
  Call* const next = Begin("default/gold", 100);
  EXPECT_FALSE(next->record.done);
  EXPECT_EQ(drbg_.reads, 1);
  Advance(kSecond);
  EXPECT_EQ(next->record.response.data().size(), 100u);
  ExpectBalance();
}

// Nobody gets half a reply, and the bytes that it would have had count as given to nobody.
TEST_F(GetProtocolTest, APoolThatRefusesHalfWayLeavesNothing) {
  Call* const call = Waiting();
  ASSERT_GT(drbg_.given, 0u);
  drbg_.next_error = absl::UnavailableError("no seed");
  for (int i = 0; i < 1000 && !call->record.done; ++i) Advance(kMilli);
  EXPECT_EQ(call->record.status, absl::UnavailableError("no seed"));
  EXPECT_TRUE(call->record.response.data().empty());
  EXPECT_EQ(gets().totals().given_bytes, 0u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_TRUE(NobodyWaits());
  ExpectBalance();
}

TEST_F(GetProtocolTest, APoolThatLosesItsSourcesEndsTheCallsThatWait) {
  Call* const waits = Waiting();
  drbg_.state.phase = PoolState::Phase::kSuspended;
  drbg_.state.reason = PoolState::Reason::kSeedWornOut;
  PoolsChanged();
  EXPECT_TRUE(absl::IsUnavailable(waits->record.status));
  EXPECT_THAT(std::string(waits->record.status.message()),
              HasSubstr("the pool has lost its sources: no seed since"));
  // One that serves on with new bytes: what the call has is not to be used.
  drbg_.state.phase = PoolState::Phase::kServing;
  drbg_.state.reason = PoolState::Reason::kNone;
  PoolsChanged();
  Call* const other = Waiting();
  ++drbg_.state.discard_epoch;
  PoolsChanged();
  EXPECT_TRUE(absl::IsUnavailable(other->record.status)) << other->record.status;
  EXPECT_TRUE(NobodyWaits());
  ExpectBalance();
}

TEST_F(GetProtocolTest, AClientWaitsForTheServersReason) {
  EXPECT_GE(absl::ToInt64Nanoseconds(GetClient::kDefaultTimeout),
            GetProtocol::kTimeoutNanos + 5 * kSecond);
}

TEST_F(GetProtocolTest, AReplyTellsTheAgeOfThePoolsSeed) {
  clock_.AdvanceNanos(10 * kSecond);
  drbg_.state.seeded_at_nanos = clock_.NowNanos() - 1500 * kMilli;
  EXPECT_EQ(Begin("default/gold", 1)->record.response.seed_age_ms(), 1500u);
  drbg_.state.seeded_at_nanos = clock_.NowNanos() + kSecond;  // it came while the reply was made
  EXPECT_EQ(Begin("default/gold", 1)->record.response.seed_age_ms(), 0u);
}

}  // namespace
}  // namespace entropyd
