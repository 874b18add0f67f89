#include "hostagent/serving/guest_floor.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/serving/fair_queue.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/serving/fake_member.h"

namespace entropyd {
namespace {

TEST(GuestFloorTest, WhoHasHadNothingForLongestIsDueAfterAPeriod) {
  GuestFloor floor;
  EXPECT_FALSE(floor.Due(kSecondNanos));
  floor.Waits(7, 100);
  floor.Waits(3, 50);
  floor.Waits(7, 200);  // has waited all the while
  EXPECT_FALSE(floor.Due(50 + GuestFloor::kPeriodNanos - 1));
  EXPECT_EQ(floor.Due(50 + GuestFloor::kPeriodNanos), 3u);
  floor.Served(3, 50 + GuestFloor::kPeriodNanos);
  EXPECT_FALSE(floor.Due(100 + GuestFloor::kPeriodNanos - 1));
  EXPECT_EQ(floor.Due(100 + GuestFloor::kPeriodNanos), 7u);
  floor.Leaves(7);
  floor.Leaves(7);
  floor.Leaves(12);  // never waited
  EXPECT_EQ(floor.Due(10 * kSecondNanos), 3u);
}

TEST(GuestFloorTest, OneThatCannotBeServedIsInNobodysWay) {
  GuestFloor floor;
  floor.Waits(0, 0);
  floor.Waits(1, 1);
  const int64_t now = 1 + GuestFloor::kPeriodNanos;
  EXPECT_EQ(floor.Due(now), 0u);
  floor.Retry(0, now);
  EXPECT_EQ(floor.Due(now), 1u);
  floor.Served(1, now);
  EXPECT_FALSE(floor.Due(now + GuestFloor::kRetryNanos - 1));
  EXPECT_EQ(floor.Due(now + GuestFloor::kRetryNanos), 0u);
}

// A hundred guests that always want more, and bytes that arrive every 160 ms.
class FloorTest : public testing::Test {
 protected:
  static constexpr size_t kGuests = 100;

  void Start(uint64_t guest_ceil = ClassTree::kUnlimited) {
    tree_ = std::make_unique<FairQueue>(&buffer_, guest_ceil);
    for (size_t i = 0; i < kGuests; ++i) {
      guests_.push_back(std::make_unique<FakeMember>(&buffer_));
      guests_.back()->wanted = 1'000'000'000;
      tree_->Touch(tree_->Add(guests_.back().get()));
    }
    tree_->Serve(now_);
    had_.assign(kGuests, 0);
    had_at_.assign(kGuests, now_);
  }
  // The longest time that any guest had to wait for 64 bytes.
  int64_t LongestWait(int64_t nanos, size_t bytes) {
    int64_t longest = 0;
    for (const int64_t end = now_ + nanos; now_ < end;) {
      now_ += 160 * kMillisecondNanos;
      buffer_.Fill(bytes);
      tree_->Serve(now_);
      for (size_t i = 0; i < kGuests; ++i) {
        longest = std::max(longest, now_ - had_at_[i]);
        if (guests_[i]->delivered < had_[i] + GuestFloor::kBytes) continue;
        had_[i] = guests_[i]->delivered;
        had_at_[i] = now_;
      }
    }
    return longest;
  }

  FakeBuffer buffer_;
  std::unique_ptr<FairQueue> tree_;
  std::vector<std::unique_ptr<FakeMember>> guests_;
  std::vector<uint64_t> had_;    // when they last had 64 bytes more,
  std::vector<int64_t> had_at_;  // and when that was
  int64_t now_ = kSecondNanos;
};

TEST_F(FloorTest, EveryGuestHas64BytesASecondWhereTheClassHas) {
  Start();
  LongestWait(2 * kSecondNanos, 2'048);
  EXPECT_LE(LongestWait(60 * kSecondNanos, 2'048), 1'300 * kMillisecondNanos);
  const auto [least, most] =
      std::minmax_element(guests_.begin(), guests_.end(),
                          [](const auto& a, const auto& b) { return a->delivered < b->delivered; });
  // The floor changes when guests are served, not how much they get: nobody is more than a turn
  // ahead.
  EXPECT_LE((*most)->delivered - (*least)->delivered, 2 * FairQueue::kChunkBytes);
}

TEST_F(FloorTest, WhereThereIsLessWhoHasWaitedLongestComesFirst) {
  Start();
  LongestWait(8 * kSecondNanos, 256);
  // At 1,600 bytes a second, a round of 64 bytes each takes 4 s. By chunks of a KiB a round takes
  // 64 s.
  EXPECT_LE(LongestWait(60 * kSecondNanos, 256), 4'500 * kMillisecondNanos);
}

TEST_F(FloorTest, ACeilingBelowAChunkIsGivenInSmallParts) {
  Start(/*guest_ceil=*/64);
  LongestWait(20 * kSecondNanos, 4'000);  // bursts are used up
  const uint64_t before = guests_[0]->delivered;
  EXPECT_LE(LongestWait(60 * kSecondNanos, 4'000), 1'300 * kMillisecondNanos);
  EXPECT_LE(guests_[0]->delivered - before, 60 * 64u + 64u);
}

TEST_F(FloorTest, NoFloorLiftsAGuestAboveItsCeiling) {
  Start(/*guest_ceil=*/16);
  LongestWait(60 * kSecondNanos, 4'000);
  const uint64_t before = guests_[0]->delivered;
  EXPECT_LE(LongestWait(60 * kSecondNanos, 4'000), 4'300 * kMillisecondNanos);
  EXPECT_LE(guests_[0]->delivered - before, 60 * 16u + 64u);
}

TEST_F(FloorTest, GuestsThatLeaveWhileTheyWaitAreForgotten) {
  Start();
  tree_->Remove(0, now_);
  tree_->Serve(now_);
  guests_[0] = std::make_unique<FakeMember>(&buffer_);
  LongestWait(3 * kSecondNanos, 2'048);
  EXPECT_EQ(guests_[0]->delivered, 0u);
}

}  // namespace
}  // namespace entropyd
