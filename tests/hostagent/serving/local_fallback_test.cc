#include "hostagent/serving/local_fallback.h"

#include <set>
#include <string>
#include <vector>

#include "base/process/nanos.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/serving/fair_queue.h"
#include "tests/fake_log.h"
#include "tests/hostagent/fake_buffer.h"

namespace entropyd {
namespace {

using Mode = LocalFallback::Mode;
using Bytes = std::vector<uint8_t>;

constexpr int64_t kThere = INT64_MAX;
constexpr size_t kSeed = CtrDrbg::kSeedBytes;

class LocalFallbackTest : public testing::Test {
 protected:
  void SetUp() override { Make(/*local=*/true); }

  void Make(bool local) {
    buffer_.reset();
    auto inner =
        ClassBuffer::Create({"default/gold", 64 * 1024, 60 * kSecondNanos}, arena_.get(), &clock_)
            .value();
    inner_ = inner.get();
    LocalFallback::Options options;
    options.on_loss = local ? OnUpstreamLoss::kLocal : OnUpstreamLoss::kBlock;
    options.provider = provider_;
    options.kernel = [this](absl::Span<uint8_t> out) {
      for (uint8_t& byte : out) byte = kernel_byte_;
      kernel_bytes_ += out.size();
      return kernel_works_;
    };
    buffer_ =
        LocalFallback::Create(std::move(inner), options, arena_.get(), &clock_, &log_).value();
  }
  // Makes room for bytes from upstream, and appends them.
  void Arrive(const Bytes& bytes) {
    buffer_->SetDemand({1, bytes.size()});
    ASSERT_GE(buffer_->WantMore(0), bytes.size());
    buffer_->SetDemand({1, 0});
    buffer_->Append(bytes);
  }
  void Drain() {
    Bytes all(buffer_->level());
    buffer_->Take(absl::MakeSpan(all));
  }
  int64_t now() const { return clock_.NowNanos(); }
  bool Lose() { return buffer_->Judge(now(), now(), /*closed=*/false); }
  // A seed is set aside, the buffer is empty, upstream is gone, and a guest waits.
  void LoseWithSeed() {
    Arrive(StreamBytes(0, 1000));
    Drain();
    buffer_->SetDemand({1, 64});
    ASSERT_TRUE(Lose());
    ASSERT_EQ(buffer_->mode(), Mode::kLocal);
  }
  Bytes Take(size_t n) {
    Bytes out(n);
    out.resize(buffer_->Take(absl::MakeSpan(out)));
    return out;
  }

  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  std::shared_ptr<const SeedProvider> provider_ = SeedProvider::Create().value();
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(1 << 20, SecretArena::Locking::kBestEffort).value();
  uint8_t kernel_byte_ = 0;
  size_t kernel_bytes_ = 0;
  bool kernel_works_ = true;
  ClassBuffer* inner_ = nullptr;
  std::unique_ptr<LocalFallback> buffer_;
};

TEST_F(LocalFallbackTest, TheFirstBytesFromUpstreamAreSetAsideOnceAndForNobodyElse) {
  EXPECT_FALSE(buffer_->report().local_ready);
  Arrive(StreamBytes(0, 30));
  EXPECT_EQ(buffer_->level(), 0u);
  EXPECT_FALSE(buffer_->report().local_ready);
  Arrive(StreamBytes(30, 100));
  EXPECT_TRUE(buffer_->report().local_ready);
  EXPECT_EQ(Take(200), StreamBytes(kSeed, 130 - kSeed));
  Arrive(StreamBytes(130, 100));
  EXPECT_EQ(Take(200), StreamBytes(130, 100));
}

TEST_F(LocalFallbackTest, AClassThatBlocksSetsNothingAside) {
  Make(/*local=*/false);
  Arrive(StreamBytes(0, 100));
  EXPECT_EQ(Take(200), StreamBytes(0, 100));
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(Lose());
  EXPECT_EQ(buffer_->mode(), Mode::kBlocked);
  EXPECT_EQ(buffer_->available(), 0u);
  EXPECT_TRUE(Take(64).empty());
  Arrive(StreamBytes(100, 10));
  buffer_->Judge(now(), kThere, false);
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
}

TEST_F(LocalFallbackTest, ItServesOnFromTheBufferThenLocallyThenFromUpstreamAgain) {
  Arrive(StreamBytes(0, 100));
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(Lose());  // the buffer has bytes
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
  Drain();
  EXPECT_TRUE(Lose());
  EXPECT_EQ(buffer_->mode(), Mode::kLocal);
  EXPECT_EQ(buffer_->level(), 0u);
  EXPECT_EQ(buffer_->available(), LocalDrbg::kPassBytes);
  EXPECT_EQ(Take(64).size(), 64u);
  EXPECT_EQ(buffer_->report().local_bytes, 64u);
  EXPECT_FALSE(buffer_->Judge(now(), kThere, false));  // attached; no byte has come
  EXPECT_EQ(buffer_->mode(), Mode::kLocal);
  Arrive(StreamBytes(100, kSeed + 10));
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
  EXPECT_EQ(Take(64), StreamBytes(100 + kSeed, 10));
  EXPECT_EQ(buffer_->report().local_bytes, 64u);
}

TEST_F(LocalFallbackTest, NothingIsLocalBeforeUpstreamIsGoneOrWhileNobodyWaits) {
  Arrive(StreamBytes(0, 100));
  Drain();
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(buffer_->Judge(now(), now() + 1, false));
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
  buffer_->SetDemand({1, 0});
  EXPECT_FALSE(Lose());
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
}

TEST_F(LocalFallbackTest, WithoutASeedItBlocks) {
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(Lose());
  EXPECT_EQ(buffer_->mode(), Mode::kBlocked);
}

TEST_F(LocalFallbackTest, APoolOfFullEntropyIsRefusedAlsoWhenItIsToldLate) {
  buffer_->SetFullEntropy(true);
  EXPECT_TRUE(buffer_->report().local_refused);
  Arrive(StreamBytes(0, 100));
  EXPECT_EQ(Take(200), StreamBytes(0, 100));  // nothing set aside
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(Lose());
  EXPECT_EQ(buffer_->mode(), Mode::kBlocked);

  Make(true);
  LoseWithSeed();
  buffer_->SetFullEntropy(true);
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
  EXPECT_TRUE(Take(64).empty());
  EXPECT_FALSE(Lose());
}

TEST_F(LocalFallbackTest, WhatIsToBeDiscardedSeedsNothing) {
  Arrive(StreamBytes(0, 100));
  buffer_->Discard();
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(Lose());

  Make(true);
  LoseWithSeed();
  buffer_->Discard();
  EXPECT_TRUE(Take(64).empty());
  EXPECT_FALSE(buffer_->report().local_ready);
}

TEST_F(LocalFallbackTest, BothTheUpstreamBytesAndTheKernelsMakeADifference) {
  std::set<Bytes> outputs;
  for (uint8_t kernel : {0, 1}) {
    for (uint64_t first : {0, 5000}) {
      Make(true);
      kernel_byte_ = kernel;
      Arrive(StreamBytes(first, 1000));
      Drain();
      buffer_->SetDemand({1, 64});
      ASSERT_TRUE(Lose());
      outputs.insert(Take(64));
    }
  }
  EXPECT_EQ(outputs.size(), 4u);
  // The kernel's bytes are stirred into every output, too.
  outputs.clear();
  for (uint8_t stir : {7, 8}) {
    Make(true);
    kernel_byte_ = 0;
    LoseWithSeed();
    kernel_byte_ = stir;
    outputs.insert(Take(64));
  }
  EXPECT_EQ(outputs.size(), 2u);
}

TEST_F(LocalFallbackTest, TwoLossesNeverGiveTheSameBytes) {
  LoseWithSeed();
  const Bytes first = Take(64);
  EXPECT_NE(Take(64), first);
  Arrive(StreamBytes(5000, 1000));  // a fresh seed
  Drain();
  buffer_->SetDemand({1, 64});
  ASSERT_TRUE(Lose());
  EXPECT_NE(Take(64), first);
}

TEST_F(LocalFallbackTest, AReturnForLessThanASeedDoesNotEndInABlockedClass) {
  LoseWithSeed();
  Arrive(StreamBytes(5000, 10));
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
  buffer_->SetDemand({1, 64});
  EXPECT_TRUE(Lose());
  EXPECT_EQ(Take(64).size(), 64u);
}

TEST_F(LocalFallbackTest, AnOldSeedIsRenewedAtOneGo) {
  Arrive(StreamBytes(0, 100));
  Drain();
  clock_.AdvanceNanos(kHourNanos);
  Arrive(StreamBytes(100, kSeed - 1));
  EXPECT_TRUE(buffer_->report().local_ready);
  EXPECT_EQ(Take(200).size(), kSeed - 1);
  Arrive(StreamBytes(200, kSeed));
  EXPECT_TRUE(buffer_->report().local_ready);
  EXPECT_TRUE(Take(200).empty());
}

TEST_F(LocalFallbackTest, AKernelThatGivesNothingStopsItAloud) {
  LoseWithSeed();
  kernel_works_ = false;
  EXPECT_TRUE(Take(64).empty());
  EXPECT_EQ(buffer_->mode(), Mode::kBlocked);
  EXPECT_EQ(buffer_->available(), 0u);
  EXPECT_FALSE(Lose());
  EXPECT_EQ(buffer_->report().local_bytes, 0u);
}

TEST_F(LocalFallbackTest, AServerThatClosesTheClassEndsItAndIsNoLoss) {
  LoseWithSeed();
  EXPECT_FALSE(buffer_->Judge(now(), kThere, /*closed=*/true));
  EXPECT_EQ(buffer_->mode(), Mode::kClosed);
  EXPECT_FALSE(buffer_->Judge(now(), now(), /*closed=*/true));
  EXPECT_EQ(buffer_->mode(), Mode::kClosed);
  EXPECT_FALSE(buffer_->Judge(now(), kThere, /*closed=*/false));
  EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
}

TEST_F(LocalFallbackTest, AClassIsClosedFromTheRefusalOnWhetherOrNotAGuestWaits) {
  EXPECT_FALSE(buffer_->Judge(now(), kThere, /*closed=*/true));
  EXPECT_EQ(buffer_->mode(), Mode::kClosed);
  EXPECT_EQ(buffer_->report().mode_since_nanos, now());
  EXPECT_EQ(buffer_->mode(), Mode::kClosed);
  clock_.AdvanceNanos(kSecondNanos);
  buffer_->SetDemand({1, 64});
  EXPECT_FALSE(buffer_->Judge(now(), kThere, /*closed=*/true));
  EXPECT_EQ(buffer_->report().mode_since_nanos, now() - kSecondNanos);
  EXPECT_EQ(buffer_->available(), 0u);
}

TEST_F(LocalFallbackTest, ABlockedClassThatIsClosedIsNotUnblocked) {
  buffer_->SetDemand({1, 64});
  Lose();
  ASSERT_EQ(buffer_->mode(), Mode::kBlocked);
  buffer_->Judge(now(), kThere, /*closed=*/true);
  EXPECT_EQ(log_.events().back(), "class.blocked");
  Lose();
  EXPECT_EQ(buffer_->mode(), Mode::kBlocked);
}

// While the DRBG serves, nobody is owed anything. The class asks upstream all the same, or this
// would never end. Bytes that died of age must not keep it from asking either.
TEST_F(LocalFallbackTest, ItAsksUpstreamForBytesWhileItServesLocally) {
  Arrive(StreamBytes(0, 1000));
  clock_.AdvanceNanos(61 * kSecondNanos);
  buffer_->Tick();
  ASSERT_EQ(buffer_->level(), 0u);
  buffer_->SetDemand({1, 64});
  ASSERT_TRUE(Lose());
  Take(64);
  buffer_->SetDemand({1, 0});
  EXPECT_GE(buffer_->WantMore(0), ClassBuffer::kMinTarget);
  EXPECT_EQ(buffer_->demand().owed, 0u);
}

class Drinker final : public FairQueue::Member {
 public:
  Drinker(ClassBuffer* buffer, uint64_t wanted) : buffer_(buffer), wanted_(wanted) {}
  uint64_t Want() override { return wanted_ - planned_; }
  uint32_t Plan(uint32_t bytes) override {
    planned_ += bytes;
    return bytes;
  }
  FairQueue::After Deliver() override {
    Bytes out(planned_);
    const size_t got = buffer_->Take(absl::MakeSpan(out));
    wanted_ -= got;
    planned_ = 0;
    return wanted_ > 0 && got > 0 ? FairQueue::After::kAgain : FairQueue::After::kDone;
  }
  uint64_t wanted() const { return wanted_; }

 private:
  ClassBuffer* const buffer_;
  uint64_t wanted_;
  uint64_t planned_ = 0;
};

TEST_F(LocalFallbackTest, AFairQueueSharesOutWhatTheDrbgGives) {
  LoseWithSeed();
  FairQueue tree(buffer_.get(), ClassTree::kUnlimited);
  Drinker greedy(buffer_.get(), 1'000'000), polite(buffer_.get(), 64);
  tree.Touch(tree.Add(&greedy));
  tree.Touch(tree.Add(&polite));
  tree.Serve(now());
  EXPECT_EQ(polite.wanted(), 0u);
  while (tree.unfinished()) tree.Serve(now());
  EXPECT_EQ(greedy.wanted(), 0u);
  EXPECT_EQ(buffer_->report().local_bytes, 1'000'064u);
}

// The same bound as upstream's: a loss must not be worth more than a purchase.
class LocalCeilingTest : public LocalFallbackTest {
 protected:
  // Takes all that there is whenever the class says so, as a loop with guests that always wait.
  uint64_t TakeFor(int64_t nanos) {
    const uint64_t before = buffer_->report().local_bytes;
    const int64_t until = now() + nanos;
    buffer_->SetDemand({1, 1 << 20});
    while (true) {
      Take(buffer_->available());
      const int64_t next = std::max(buffer_->next_local_nanos(), now() + 1);
      if (next >= until) break;
      clock_.AdvanceNanos(next - now());
    }
    clock_.AdvanceNanos(until - now());
    Take(buffer_->available());
    return buffer_->report().local_bytes - before;
  }
};

TEST_F(LocalCeilingTest, TheDrbgGivesWhatTheClassHadOnItsServer) {
  for (const uint64_t ceil : {1u, 10u, 100u, 1'000u, 12'345u, 1'000'000u}) {
    Make(/*local=*/true);
    buffer_->SetCeil(ceil);
    LoseWithSeed();
    EXPECT_EQ(buffer_->available(), 0u) << "tokens flow in from now on";
    EXPECT_EQ(TakeFor(100 * kSecondNanos), 100 * ceil);
  }
}

TEST_F(LocalCeilingTest, ItsGuestsWaitForARequestAndNotForAByte) {
  buffer_->SetCeil(100);
  LoseWithSeed();
  buffer_->SetDemand({1, 1000});
  EXPECT_EQ(buffer_->next_local_nanos(), now() + 640 * kMillisecondNanos);
  buffer_->SetDemand({1, 5});
  EXPECT_EQ(buffer_->next_local_nanos(), now() + 50 * kMillisecondNanos);
  buffer_->SetDemand({1, 0});
  EXPECT_EQ(buffer_->next_local_nanos(), kNever);
  clock_.AdvanceNanos(3600 * kSecondNanos);
  EXPECT_EQ(buffer_->available(), 100u) << "an idle hour is worth a second";
}

TEST_F(LocalCeilingTest, TheCeilingOutlivesTheLossAndChangesWithTheServersWord) {
  buffer_->SetCeil(100);
  LoseWithSeed();
  TakeFor(10 * kSecondNanos);
  Arrive(StreamBytes(0, 1000));
  Drain();
  ASSERT_EQ(buffer_->mode(), Mode::kUpstream);
  EXPECT_EQ(buffer_->next_local_nanos(), kNever);
  clock_.AdvanceNanos(60 * kSecondNanos);
  buffer_->SetDemand({1, 64});
  ASSERT_TRUE(Lose());
  EXPECT_EQ(TakeFor(10 * kSecondNanos), 1'000u) << "what was not used before is not saved";
  buffer_->SetCeil(300);
  EXPECT_EQ(TakeFor(10 * kSecondNanos), 3'000u);
  buffer_->SetCeil(0);
  EXPECT_EQ(buffer_->available(), LocalDrbg::kPassBytes) << "the class has none";
}

TEST_F(LocalCeilingTest, WithoutACeilingItGoesOnAfterAShortPause) {
  LoseWithSeed();
  buffer_->SetDemand({1, 1 << 20});
  Take(buffer_->available());
  EXPECT_EQ(buffer_->next_local_nanos(), now() + LocalDrbg::kPauseNanos);
}

// One guest that comes, waits and goes.
TEST_F(LocalFallbackTest, AClassThatIsBlockedAgainAndAgainIsToldFromTimeToTime) {
  Make(/*local=*/false);
  const auto flap = [this] {
    buffer_->SetDemand({1, 64});
    Lose();
    EXPECT_EQ(buffer_->mode(), Mode::kBlocked);
    buffer_->SetDemand({1, 0});
    Lose();
    EXPECT_EQ(buffer_->mode(), Mode::kUpstream);
  };
  for (int i = 0; i < 1'000; ++i) flap();
  EXPECT_THAT(log_.events(), testing::ElementsAre("class.blocked", "class.unblocked"));
  clock_.AdvanceNanos(LineBudget::kEveryNanos);
  flap();
  EXPECT_EQ(log_.events().size(), 4u);
}

TEST_F(LocalFallbackTest, AClassThatStaysBlockedIsToldInTheEnd) {
  Make(/*local=*/false);
  buffer_->SetDemand({1, 64});
  Lose();
  buffer_->SetDemand({1, 0});
  Lose();
  clock_.AdvanceNanos(kSecondNanos);
  buffer_->SetDemand({1, 64});
  Lose();
  EXPECT_EQ(log_.events().size(), 2u);
  clock_.AdvanceNanos(LineBudget::kEveryNanos);
  Lose();
  EXPECT_EQ(log_.events().back(), "class.blocked");
  EXPECT_EQ(log_.events().size(), 3u);
}

}  // namespace
}  // namespace entropyd
