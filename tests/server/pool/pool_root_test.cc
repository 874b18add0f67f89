#include "server/pool/pool_root.h"

#include <gtest/gtest.h>

#include <vector>

namespace entropyd {
namespace {

class PoolRootTest : public ::testing::Test {
 protected:
  PoolRoot Make(const char* pool = "default") {
    return PoolRoot::Create(pool, provider_.get()).value();
  }
  static std::vector<uint8_t> Output(PoolRoot* root) {
    std::vector<uint8_t> out(32);
    EXPECT_TRUE(root->Generate(absl::MakeSpan(out), {}).ok());
    return out;
  }

  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  const std::vector<uint8_t> block_ = std::vector<uint8_t>(Conditioner::kBlockBytes, 0x5c);
  const std::vector<uint8_t> samples_ = {1, 2, 3};
};

TEST_F(PoolRootTest, GivesNothingBeforeItsFirstSeedAndAfterItsEnd) {
  PoolRoot root = Make();
  std::vector<uint8_t> out(32);
  EXPECT_FALSE(root.seeded());
  EXPECT_FALSE(root.Generate(absl::MakeSpan(out), {}).ok());
  ASSERT_TRUE(root.Seed(block_).ok());
  EXPECT_TRUE(root.seeded());
  EXPECT_TRUE(root.Generate(absl::MakeSpan(out), {}).ok());
  root.Destroy();
  EXPECT_FALSE(root.seeded());
  EXPECT_FALSE(root.Generate(absl::MakeSpan(out), {}).ok());
}

TEST_F(PoolRootTest, SeedPoolAndWhatIsMixedInAllChangeTheOutput) {
  PoolRoot one = Make(), same = Make(), other_pool = Make("other"), mixed = Make(), rest = Make();
  mixed.Mix(samples_);
  std::vector<uint8_t> other_rest = block_;
  other_rest.back() ^= 1;
  for (PoolRoot* root : {&one, &same, &other_pool, &mixed}) ASSERT_TRUE(root->Seed(block_).ok());
  ASSERT_TRUE(rest.Seed(other_rest).ok());
  const std::vector<uint8_t> expected = Output(&one);
  EXPECT_EQ(Output(&same), expected);
  for (PoolRoot* root : {&other_pool, &mixed, &rest}) EXPECT_NE(Output(root), expected);
}

TEST_F(PoolRootTest, WhatIsMixedInBetweenTwoSeedsChangesTheOutput) {
  PoolRoot one = Make(), same = Make(), mixed = Make();
  for (PoolRoot* root : {&one, &same, &mixed}) ASSERT_TRUE(root->Seed(block_).ok());
  mixed.Mix(samples_);
  for (PoolRoot* root : {&one, &same, &mixed}) ASSERT_TRUE(root->Seed(block_).ok());
  const std::vector<uint8_t> expected = Output(&one);
  EXPECT_EQ(Output(&same), expected);
  EXPECT_NE(Output(&mixed), expected);
}

TEST_F(PoolRootTest, WhatAFailedSourceGaveIsLeftOut) {
  PoolRoot clean = Make(), dropped = Make();
  dropped.Mix(samples_);
  dropped.DropMixed();
  for (PoolRoot* root : {&clean, &dropped}) ASSERT_TRUE(root->Seed(block_).ok());
  EXPECT_EQ(Output(&dropped), Output(&clean));
}

}  // namespace
}  // namespace entropyd
