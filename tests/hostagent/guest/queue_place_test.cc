#include "hostagent/guest/queue_place.h"

#include <memory>
#include <string>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/serving/fake_member.h"

namespace entropyd {
namespace {

GuestKey OfProcess(int32_t pid) {
  GuestKey key;
  key.pid = pid;
  return key;
}

class QueuePlaceTest : public testing::Test {
 protected:
  // A class of its own, with a ceiling of 1,000 B/s for each guest.
  struct Class {
    Class(const std::string& name, QueuePlaceTest* of)
        : counters(name),
          served(ServedClass::Create({name, 1 << 20, kMinuteNanos, 1'000}, nullptr, &counters,
                                     of->arena_.get(), &of->clock_, &of->log_)
                     .value()) {
      served->buffer()->SetDemand({1, 1 << 20});
      served->buffer()->WantMore(0);
      served->buffer()->Append(StreamBytes(0, 100'000));
    }
    FairQueue& queue() { return *served->queue(); }
    ClassCounters counters;
    std::unique_ptr<ServedClass> served;
  };
  int64_t now() const { return clock_.NowNanos(); }
  // The bytes that the member got by a pass.
  uint64_t Serve(Class* in, const FakeMember& member) {
    const uint64_t before = member.delivered;
    in->queue().Serve(now());
    return member.delivered - before;
  }

  ManualClock clock_{kSecondNanos};
  Log log_{&clock_, -1};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(8 << 20, SecretArena::Locking::kBestEffort).value();
  Guests guests_{10, 10};
  Class gold_{"default/gold", this};
  Class bulk_{"default/bulk", this};
  QueuePlace place_{&guests_, gold_.served.get()};
  FakeMember member_{gold_.served->buffer()};
};

TEST_F(QueuePlaceTest, WhoJoinsIsAskedAndWhoLeavesIsNoGuestOfTheClass) {
  EXPECT_FALSE(place_.joined());
  member_.wanted = 64;
  place_.Join(&member_, OfProcess(1), absl::nullopt, now());
  EXPECT_TRUE(place_.joined());
  EXPECT_EQ(place_.joined_as(), OfProcess(1));
  EXPECT_EQ(gold_.queue().connections(), 1u);
  EXPECT_EQ(Serve(&gold_, member_), 64u);
  place_.Leave(now());
  EXPECT_FALSE(place_.joined());
  EXPECT_EQ(gold_.queue().connections(), 0u);
  EXPECT_EQ(guests_.connections(OfProcess(1)), 0u);
}

TEST_F(QueuePlaceTest, ANewClassServesItFromTheNextJoinOn) {
  place_.Join(&member_, OfProcess(1), absl::nullopt, now());
  place_.Leave(now());
  place_.SetClass(bulk_.served.get());
  FakeMember there(bulk_.served->buffer());
  there.wanted = 10;
  place_.Join(&there, OfProcess(1), absl::nullopt, now());
  EXPECT_EQ(place_.served_class(), bulk_.served.get());
  EXPECT_EQ(gold_.queue().members(), 0u);
  EXPECT_EQ(Serve(&bulk_, there), 10u);
}

TEST_F(QueuePlaceTest, ConnectionsOfAGuestHaveOneShareAndKnowWhenOthersWait) {
  FakeMember second(gold_.served->buffer());
  QueuePlace other(&guests_, gold_.served.get());
  place_.Join(&member_, OfProcess(1), 5 * TokenBucket::kNanosPerByte, now());
  other.Join(&second, OfProcess(1), absl::nullopt, now());
  EXPECT_EQ(gold_.queue().members(), 1u);
  EXPECT_EQ(place_.nano_tokens(now()), 5 * TokenBucket::kNanosPerByte);
  EXPECT_EQ(other.nano_tokens(now()), place_.nano_tokens(now()));
  EXPECT_EQ(place_.own_nano_tokens(now()), place_.nano_tokens(now()) / 2);
  second.wanted = 100'000;
  other.Touch();
  gold_.queue().Serve(now());
  EXPECT_TRUE(place_.OthersWait());
  EXPECT_FALSE(other.OthersWait());
  other.Leave(now());
  place_.Leave(now());
}

TEST_F(QueuePlaceTest, TimeAtTheCeilingIsKeptThroughAllItsShares) {
  member_.wanted = 1'000'000;
  place_.Join(&member_, OfProcess(1), absl::nullopt, now());
  gold_.queue().Serve(now());
  clock_.AdvanceNanos(2 * kSecondNanos);
  EXPECT_EQ(place_.throttled_nanos(now()), 2 * kSecondNanos);
  place_.Leave(now());
  clock_.AdvanceNanos(kSecondNanos);
  EXPECT_EQ(place_.throttled_nanos(now()), 2 * kSecondNanos) << "it waits nowhere";
  place_.Join(&member_, OfProcess(2), absl::nullopt, now());
  gold_.queue().Serve(now());
  clock_.AdvanceNanos(kSecondNanos);
  EXPECT_EQ(place_.throttled_nanos(now()), 3 * kSecondNanos);
  place_.Leave(now());
}

}  // namespace
}  // namespace entropyd
