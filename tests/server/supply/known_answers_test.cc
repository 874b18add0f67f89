#include "server/supply/known_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace entropyd {
namespace {

using ::testing::ElementsAre;

TEST(KnownAnswersTest, M11_AllPassAndAreNamed) {
  const auto provider = SeedProvider::Create().value();
  const auto arena = SecretArena::Create(2 << 20, SecretArena::Locking::kBestEffort).value();
  const auto passed = RunSelfTests(provider.get(), arena.get());
  ASSERT_TRUE(passed.ok()) << passed.status();
  EXPECT_THAT(*passed, ElementsAre("CTR_DRBG", "SHA-512", "health"));
  EXPECT_EQ(arena->used_bytes(), 0u);
}

TEST(KnownAnswersTest, M11_TestThatCannotRunIsAFailure) {
  const auto provider = SeedProvider::Create().value();
  const auto arena = SecretArena::Create(64 << 10, SecretArena::Locking::kBestEffort).value();
  EXPECT_FALSE(RunSelfTests(provider.get(), arena.get()).ok());
}

}  // namespace
}  // namespace entropyd
