#include "hostagent/serving/serve_budget.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(ServeBudgetTest, NobodyHasMoreThanAllTogetherAndNobodyLessThanTheLeast) {
  EXPECT_EQ(ServeBudget(1).bytes(), ServeBudget::kBytes);
  EXPECT_EQ(ServeBudget(1).grants(), ServeBudget::kVisits);
  EXPECT_EQ(ServeBudget(4).bytes(), ServeBudget::kBytes / 4);
  EXPECT_EQ(ServeBudget(4).grants(), ServeBudget::kVisits / 4);
  EXPECT_EQ(ServeBudget(1'000).bytes(), ServeBudget::kMinBytes);
  EXPECT_EQ(ServeBudget(1'000).grants(), ServeBudget::kMinVisits);
  EXPECT_TRUE(ServeBudget().spent());
  EXPECT_FALSE(ServeBudget().may_visit());
}

TEST(ServeBudgetTest, BytesSpendItAndSoDoGrants) {
  ServeBudget by_bytes(1);
  by_bytes.Granted(ServeBudget::kBytes - 1);
  EXPECT_FALSE(by_bytes.spent());
  by_bytes.Granted(1);
  EXPECT_TRUE(by_bytes.spent());
  ServeBudget by_grants(1);
  for (uint32_t i = 0; i < ServeBudget::kVisits; ++i) {
    EXPECT_FALSE(by_grants.spent());
    by_grants.Granted(1);
  }
  EXPECT_TRUE(by_grants.spent());
  EXPECT_GT(by_grants.bytes(), 0u);
}

TEST(ServeBudgetTest, VisitsEndWithTheBudgetAndAnotherPassCountsAsMany) {
  ServeBudget budget(1);
  EXPECT_EQ(budget.TakeVisits(ServeBudget::kVisits - 20), ServeBudget::kVisits - 20);
  EXPECT_EQ(budget.TakeVisits(4), 4u);
  budget.Again();
  EXPECT_TRUE(budget.may_visit());
  EXPECT_EQ(budget.TakeVisits(100), 16u - ServeBudget::kAgainVisits);
  EXPECT_FALSE(budget.may_visit());
  budget.Again();
  EXPECT_EQ(budget.TakeVisits(1), 0u);
}

}  // namespace
}  // namespace entropyd
