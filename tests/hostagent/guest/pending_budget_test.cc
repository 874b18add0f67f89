#include "hostagent/guest/pending_budget.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr size_t kFree = PendingBudget::kFree;

class PendingBudgetTest : public testing::Test {
 protected:
  // It takes all that it may.
  size_t Grab(const GuestKey& guest) {
    const size_t most = budget_.Most(guest, 0);
    if (most > kFree) budget_.Change(guest, 0, most);
    return most;
  }

  const GuestKey greedy_ = GuestKey::Named("greedy");
  const GuestKey other_ = GuestKey::Named("other");
  PendingBudget budget_;
};

TEST_F(PendingBudgetTest, AGuestMayHaveAPartOfAll) {
  EXPECT_EQ(Grab(greedy_), PendingBudget::kAll / PendingBudget::kParts);
  EXPECT_EQ(budget_.used(), PendingBudget::kAll / PendingBudget::kParts);
}

TEST_F(PendingBudgetTest, AllConnectionsOfAGuestHaveOnePart) {
  const size_t part = Grab(greedy_);
  EXPECT_EQ(budget_.Most(greedy_, 0), kFree);
  EXPECT_EQ(budget_.Most(greedy_, part), part);
  budget_.Change(greedy_, part, part / 4);
  EXPECT_EQ(budget_.Most(greedy_, 0), part - part / 4);
  EXPECT_EQ(budget_.Most(greedy_, part / 4), part);
}

TEST_F(PendingBudgetTest, WhereManyGuestsDoTheirWorstTheNextOneHasSomething) {
  for (int i = 0; i < 63; ++i) Grab(GuestKey::Named(absl::StrCat("greedy-", i)));
  EXPECT_LE(budget_.used(), PendingBudget::kAll);
  EXPECT_GT(Grab(other_), 2'000u);
}

TEST_F(PendingBudgetTest, HoweverManyGuestsDoTheirWorstAllTogetherHaveTheirBound) {
  for (int i = 0; i < 10'000; ++i) Grab(GuestKey::Named(absl::StrCat("greedy-", i)));
  EXPECT_LE(budget_.used(), PendingBudget::kAll);
  EXPECT_EQ(Grab(other_), kFree);
}

TEST_F(PendingBudgetTest, WhoHasNoPartLeftHasWhatIsFree) {
  // As after a handover, which drops nothing.
  budget_.Change(greedy_, 0, 2 * PendingBudget::kAll);
  EXPECT_EQ(budget_.Most(greedy_, 0), kFree);
  EXPECT_EQ(budget_.Most(other_, 0), kFree);
  budget_.Change(greedy_, 2 * PendingBudget::kAll, 0);
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(Grab(other_), PendingBudget::kAll / PendingBudget::kParts);
}

}  // namespace
}  // namespace entropyd
