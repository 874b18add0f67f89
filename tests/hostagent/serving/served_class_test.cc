#include "hostagent/serving/served_class.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_log.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/hostagent/serving/fake_machine.h"
#include "tests/hostagent/serving/fake_member.h"

namespace entropyd {
namespace {

using Kind = UpstreamState::Kind;
using Mode = LocalFallback::Mode;

class ServedClassTest : public testing::Test {
 protected:
  void SetUp() override { Make(OnUpstreamLoss::kLocal); }

  void Make(OnUpstreamLoss on_upstream_loss, uint64_t guest_ceil = ClassTree::kUnlimited) {
    guest_.reset();
    served_.reset();
    const ClassSettings settings{"default/gold", 64 * 1024, 60 * kSecondNanos, guest_ceil,
                                 on_upstream_loss};
    served_ =
        ServedClass::Create(settings, provider_, &counters_, arena_.get(), &clock_, &log_).value();
    served_->SetFiller(&filler_);
    guest_ = std::make_unique<FakeMember>(served_->buffer());
    guest_->plan_size = 1 << 20;
    id_ = served_->queue()->Add(guest_.get());
    Serve();
  }
  // Whether it told its filler.
  bool Serve() {
    const int before = filler_.demands;
    served_->Serve(now());
    return filler_.demands > before;
  }
  bool Serve(int64_t nanos_later) {
    clock_.AdvanceNanos(nanos_later);
    return Serve();
  }
  void Ask(uint64_t bytes) {
    guest_->wanted += bytes;
    served_->queue()->Touch(id_);
  }
  void Arrive(size_t bytes) {
    served_->buffer()->Append(StreamBytes(appended_, bytes));
    appended_ += bytes;
    served_->OnArrival();
  }
  // Sets this state, which counts as lost at once.
  void Lose() { served_->OnUpstream({Kind::kGone, now()}); }
  int64_t now() const { return clock_.NowNanos(); }
  Mode mode() const { return served_->fallback().mode(); }
  uint64_t told_mode(Mode mode) const { return counters_.modes[static_cast<size_t>(mode)].Get(); }

  ManualClock clock_{kSecondNanos};
  UniqueFd null_{open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{&clock_, null_.get()};
  ClassCounters counters_{"default/gold"};
  std::shared_ptr<const SeedProvider> provider_ = SeedProvider::Create().value();
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(1 << 20, SecretArena::Locking::kBestEffort).value();
  FakeFiller filler_;
  std::unique_ptr<ServedClass> served_;
  std::unique_ptr<FakeMember> guest_;
  FairQueue::Id id_ = 0;
  uint64_t appended_ = 0;
};

TEST_F(ServedClassTest, WhatArrivesIsServedToWhoWaits) {
  Ask(100);
  EXPECT_TRUE(Serve()) << "upstream is to be told that a guest waits";
  EXPECT_EQ(served_->buffer()->demand().owed, 100u);
  EXPECT_EQ(counters_.owed_bytes.Get(), 100u);
  Arrive(1'048);  // 48 of them are set aside
  Serve();
  EXPECT_EQ(guest_->delivered, 100u);
  EXPECT_EQ(counters_.buffer_level.Get(), 900u);
  EXPECT_EQ(counters_.guests.Get(), 1u);
}

TEST_F(ServedClassTest, ABatchWithoutNewsTellsUpstreamNothing) {
  Arrive(40'000);
  Serve();
  Serve();
  EXPECT_FALSE(Serve());
  EXPECT_EQ(served_->next_nanos(), kNever);
}

TEST_F(ServedClassTest, OneQuestionIsEnoughForTurnsThatFollowEachOther) {
  Arrive(1'048);
  Serve();
  guest_->endless = true;
  Ask(600);  // leaves less than half of what the buffer aims at
  EXPECT_FALSE(Serve()) << "the next turn may take more";
  Ask(100);
  EXPECT_FALSE(Serve());
  guest_->endless = false;
  EXPECT_TRUE(Serve()) << "nothing is left for a next turn";
}

TEST_F(ServedClassTest, WhatAnUnfinishedTurnDidNotTellIsToldAfterIt) {
  Arrive(1'048);
  Serve();
  guest_->endless = true;
  served_->queue()->Touch(id_);
  FakeMember second(served_->buffer());
  const FairQueue::Id second_id = served_->queue()->Add(&second);
  EXPECT_FALSE(Serve());
  guest_->endless = false;
  EXPECT_TRUE(Serve()) << "there is one more guest";
  served_->queue()->Remove(second_id, now());
}

TEST_F(ServedClassTest, AGuestThatLeavesNoTurnFinishedDoesNotKeepTheBufferEmpty) {
  Arrive(1'048);
  Serve();
  guest_->endless = true;
  Ask(700);
  EXPECT_FALSE(Serve());
  Ask(100);
  EXPECT_TRUE(Serve()) << "less than a quarter is left";
  EXPECT_TRUE(served_->queue()->unfinished());
}

TEST_F(ServedClassTest, ALossIsNoticedInTimeAndBridgedAndTold) {
  Arrive(48);  // the seed, and nothing else
  Serve();
  EXPECT_EQ(counters_.local_ready.Get(), 1u);
  EXPECT_EQ(told_mode(Mode::kUpstream), 1u);
  served_->OnUpstream({Kind::kGone, now() + 2 * kSecondNanos});
  Serve();
  EXPECT_EQ(served_->next_nanos(), kNever) << "nobody waits: no reason to wake";
  Ask(64);
  Serve();
  EXPECT_EQ(served_->next_nanos(), now() + 2 * kSecondNanos);
  EXPECT_EQ(guest_->delivered, 0u);
  Serve(2 * kSecondNanos - 1);
  EXPECT_EQ(guest_->delivered, 0u);
  EXPECT_EQ(mode(), Mode::kUpstream);
  Serve(1);
  EXPECT_EQ(guest_->delivered, 64u);
  EXPECT_EQ(mode(), Mode::kLocal);
  EXPECT_EQ(told_mode(Mode::kLocal), 1u);
  EXPECT_EQ(told_mode(Mode::kUpstream), 0u);
  EXPECT_EQ(counters_.local_bytes.Get(), 64u);
  EXPECT_EQ(served_->next_nanos(), kNever);
  Ask(64);
  Serve(180 * kSecondNanos);  // minutes later, and still alone
  EXPECT_EQ(guest_->delivered, 128u);
  EXPECT_EQ(counters_.local_bytes.Get(), 128u);
  Arrive(200);
  Serve();
  EXPECT_EQ(mode(), Mode::kUpstream);
  EXPECT_EQ(told_mode(Mode::kLocal), 0u);
}

// Else the loop would turn without a pause until the buffer is empty.
TEST_F(ServedClassTest, WhoWaitsForItsCeilingBesideAFullBufferIsNoWorkInALoss) {
  Make(OnUpstreamLoss::kLocal, 1'000);
  Arrive(20'048);
  Ask(15'000);
  Serve();
  ASSERT_GT(served_->buffer()->demand().owed, 0u);
  ASSERT_GT(served_->buffer()->level(), 0u);
  Lose();
  Serve();
  EXPECT_FALSE(served_->HasWork(now()));
  EXPECT_GT(served_->next_nanos(), now());
  EXPECT_EQ(mode(), Mode::kUpstream);
  served_->buffer()->Discard();
  EXPECT_TRUE(served_->HasWork(now())) << "now it is lost";
  Serve();
  EXPECT_FALSE(served_->HasWork(now()));
  EXPECT_EQ(mode(), Mode::kBlocked) << "the seed is gone, too";
}

TEST_F(ServedClassTest, InALossGuestsShareTheCeilingOfTheClass) {
  FakeMember other(served_->buffer());
  other.plan_size = 1 << 20;
  const FairQueue::Id id = served_->queue()->Add(&other);
  served_->buffer()->SetCeil(1000);
  Arrive(48);
  Serve();
  other.wanted = 1 << 20;
  served_->queue()->Touch(id);
  Ask(1 << 20);
  Lose();
  Serve();
  Serve();  // the class had its part of the turn of the loss
  const int64_t until = now() + 100 * kSecondNanos;
  while (served_->next_nanos() < until) {
    ASSERT_GT(served_->next_nanos(), now()) << "the loop would spin";
    Serve(served_->next_nanos() - now());
  }
  EXPECT_NEAR(static_cast<double>(guest_->delivered + other.delivered), 100'000, 100);
  EXPECT_NEAR(static_cast<double>(guest_->delivered), 50'000, 1'100);
  EXPECT_EQ(mode(), Mode::kLocal);
  served_->queue()->Remove(id, now());
}

TEST_F(ServedClassTest, WithBlockAGuestWaitsAndIsToldToBeBlocked) {
  Make(OnUpstreamLoss::kBlock);
  Ask(64);
  Lose();
  Serve();
  EXPECT_EQ(mode(), Mode::kBlocked);
  EXPECT_EQ(told_mode(Mode::kBlocked), 1u);
  EXPECT_EQ(guest_->delivered, 0u);
  served_->OnUpstream({Kind::kOpen, kNever});
  Serve();
  EXPECT_EQ(mode(), Mode::kUpstream);
  EXPECT_EQ(told_mode(Mode::kBlocked), 0u);
}

TEST_F(ServedClassTest, ARefusalIsNoLoss) {
  Arrive(48);
  Serve();
  Ask(64);
  served_->OnUpstream({Kind::kRefused, now(), "not in the policy"});
  Serve(kSecondNanos);
  EXPECT_EQ(mode(), Mode::kClosed);
  EXPECT_EQ(told_mode(Mode::kClosed), 1u);
  EXPECT_EQ(guest_->delivered, 0u);
  Lose();  // and now it is one
  Serve();
  EXPECT_EQ(mode(), Mode::kLocal);
  served_->OnUpstream({Kind::kRefused, kNever, "not in the policy"});
  Serve();
  EXPECT_EQ(mode(), Mode::kClosed) << "a server that is there has refused the class";
}

TEST_F(ServedClassTest, ItsPhaseIsToldAndARefusalCountsUntilAServerSaysOtherwise) {
  const auto told = [this](Kind kind) {
    served_->OnUpstream({kind, kNever});
    for (size_t other = 0; other < counters_.phases.size(); ++other) {
      EXPECT_EQ(counters_.phases[other].Get(), other == static_cast<size_t>(kind) ? 1u : 0u);
    }
    return counters_.refused.Get();
  };
  EXPECT_EQ(told(Kind::kGone), 0u);
  EXPECT_EQ(told(Kind::kAsked), 0u);
  EXPECT_EQ(told(Kind::kRefused), 1u);
  EXPECT_EQ(told(Kind::kGone), 1u);
  EXPECT_EQ(told(Kind::kAsked), 1u);
  EXPECT_EQ(told(Kind::kSuspended), 0u);
  EXPECT_EQ(told(Kind::kRefused), 1u);
  EXPECT_EQ(told(Kind::kOpen), 0u);
}

TEST_F(ServedClassTest, WhoWatchesForRefusalsHearsWhatAServerSaysAndNothingElse) {
  struct Watcher final : RefusalWatcher {
    void OnServerSaid(const ServedClass& served, const std::string& why) override {
      EXPECT_EQ(served.name(), "default/gold");
      said.push_back(why);
    }
    std::vector<std::string> said;
  } watcher;
  served_->SetRefusalWatcher(&watcher);
  served_->OnUpstream({Kind::kAsked, kNever});
  served_->OnUpstream({Kind::kRefused, kNever, "not in the policy"});
  served_->OnUpstream({Kind::kGone, now()});  // what it has said counts on
  served_->OnUpstream({Kind::kSuspended, now()});
  served_->OnUpstream({Kind::kOpen, kNever});
  EXPECT_EQ(watcher.said, (std::vector<std::string>{"not in the policy", "", ""}));
  served_->SetRefusalWatcher(nullptr);
  served_->OnUpstream({Kind::kRefused, kNever, "not in the policy"});
  EXPECT_EQ(watcher.said.size(), 3u);
}

TEST_F(ServedClassTest, AGuestAtItsCeilingIsServedWhenItsTokensAreBack) {
  Make(OnUpstreamLoss::kBlock, /*guest_ceil=*/1'024);
  Arrive(60'000);
  Ask(20'000);
  Serve();
  const uint64_t at_once = guest_->delivered;
  EXPECT_LT(at_once, 20'000u);
  const int64_t next = served_->next_nanos();
  ASSERT_GT(next, now());
  ASSERT_LT(next, now() + 2 * kSecondNanos);
  Serve(next - now() - 1);
  EXPECT_EQ(guest_->delivered, at_once);
  Serve(1);
  EXPECT_GT(guest_->delivered, at_once);
}

TEST_F(ServedClassTest, BytesAgeByItsTickOnly) {
  Make(OnUpstreamLoss::kBlock);
  Arrive(1'000);
  Serve(61 * kSecondNanos);
  EXPECT_EQ(served_->buffer()->level(), 1'000u);
  served_->Tick(now());
  EXPECT_EQ(served_->buffer()->level(), 0u);
  Serve();
  EXPECT_EQ(counters_.buffer_level.Get(), 0u);
}

TEST_F(ServedClassTest, RequestsServedAtOnceAreCountedInTheirBatch) {
  Make(OnUpstreamLoss::kBlock);
  Arrive(10'000);
  Serve();
  WaitCounts waits;
  served_->answered()->arrivals()->push_back(now() - kMillisecondNanos);
  served_->answered()->arrivals()->push_back(now());
  served_->answered()->Were(&waits);
  Serve();
  EXPECT_EQ(waits.counts[WaitBucket(kMillisecondNanos)], 1u);
  EXPECT_EQ(waits.counts[0], 1u);
  EXPECT_EQ(waits.sum_nanos, kMillisecondNanos);
  EXPECT_EQ(counters_.wait_sum_nanos.Get(), static_cast<uint64_t>(kMillisecondNanos));
  Serve();
  EXPECT_EQ(waits.counts[0], 1u) << "counted twice";
}

TEST_F(ServedClassTest, TheBufferIsFilledForGuestsThatAreExpected) {
  Make(OnUpstreamLoss::kBlock);
  EXPECT_TRUE(served_->filled());
  served_->Expect(10, 2'000);
  EXPECT_FALSE(served_->filled());
  EXPECT_TRUE(Serve());
  EXPECT_EQ(served_->buffer()->demand().guests, 11u);
  EXPECT_EQ(served_->buffer()->demand().owed, 2'000u);
  Arrive(999);
  EXPECT_FALSE(served_->filled());
  Arrive(1);
  EXPECT_TRUE(served_->filled());
  served_->Expect(0, 0);
  Serve();
  EXPECT_EQ(served_->buffer()->demand().guests, 1u);
  EXPECT_EQ(served_->buffer()->demand().owed, 0u);
}

TEST_F(ServedClassTest, FiguresGoOnFromThoseOfAnEarlierProcess) {
  counters_.delivered_bytes.Add(1'000'000);
  served_->GoOnFrom(5 * kSecondNanos);
  EXPECT_EQ(served_->throttled_nanos(now()), 5 * kSecondNanos);
  served_->Tick(now() + kSecondNanos);
  EXPECT_EQ(served_->rate(), 0) << "what another process delivered is no rate of this one";
  counters_.delivered_bytes.Add(4'000);
  served_->Tick(now() + 2 * kSecondNanos);
  EXPECT_EQ(served_->rate(), 1'000);
  Serve();
  EXPECT_EQ(counters_.throttled_nanos.Get(), uint64_t{5'000'000'000});
}

// A class whose machine may be resumed, or copied.
class ClonedClassTest : public testing::Test {
 protected:
  void SetUp() override {
    guard_ = machine_.Guard();
    served_ = ServedClass::Create({"default/gold", 64 * 1024, 60 * kSecondNanos}, nullptr,
                                  &counters_, arena_.get(), &clock_, &log_)
                  .value();
    served_->SetCloneGuard(guard_.get());
    guard_->EndTurn();
    served_->buffer()->Append(StreamBytes(0, 1'000));
    served_->buffer()->SetFullEntropy(true);
  }
  size_t Take() {
    std::vector<uint8_t> out(64);
    const size_t taken = served_->Take(absl::MakeSpan(out));
    guard_->EndTurn();
    return taken;
  }

  FakeMachine machine_;
  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  ClassCounters counters_{"default/gold"};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(1 << 20, SecretArena::Locking::kBestEffort).value();
  std::unique_ptr<CloneGuard> guard_;
  std::unique_ptr<ServedClass> served_;
};

TEST_F(ClonedClassTest, WhatIsOnItsWayAtAResumeIsTheFillersToDrop) {
  FakeFiller filler;
  served_->SetFiller(&filler);
  EXPECT_EQ(Take(), 64u);
  EXPECT_EQ(filler.resumes, 0);
  machine_.boot += kSecondNanos;
  EXPECT_EQ(Take(), 0u);
  EXPECT_EQ(Take(), 0u);
  served_->Tick(clock_.NowNanos());
  EXPECT_EQ(filler.resumes, 1);
  EXPECT_TRUE(served_->HasWork(clock_.NowNanos()));
  served_->buffer()->SetFullEntropy(false);
  machine_.boot += kSecondNanos;
  Take();
  EXPECT_EQ(filler.resumes, 1) << "bytes of a DRBG leave mixed";
  served_->SetFiller(nullptr);
}

TEST_F(ClonedClassTest, AnIdleClassDropsItWithinASecond) {
  machine_.boot += kSecondNanos;
  served_->Tick(clock_.NowNanos());
  EXPECT_EQ(served_->buffer()->level(), 0u);
}

TEST_F(ClonedClassTest, BytesLeaveThroughTheGuard) {
  machine_.kernel_gives = false;
  EXPECT_EQ(Take(), 0u);
}

}  // namespace
}  // namespace entropyd
