#include "hostagent/guest/unsent_replies.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

using egd::CommandType;

class UnsentRepliesTest : public testing::Test {
 protected:
  // Stages these replies, as the letters a, b, c…, of which the socket took the first `sent`.
  bool Keep(const std::vector<StagedReply>& staged, size_t sent) {
    std::string all;
    for (const StagedReply& reply : staged) {
      for (uint32_t i = 0; i < reply.bytes; ++i) all += static_cast<char>('a' + all.size());
    }
    const std::string rest = all.substr(sent);
    return unsent_.Keep({reinterpret_cast<const uint8_t*>(rest.data()), rest.size()}, staged, sent,
                        arena_.get());
  }
  std::string Left() const { return {unsent_.left().begin(), unsent_.left().end()}; }
  // "02:4 01:3, 1 sent": the replies owed, and what left of the first.
  std::string Owed() const {
    const Unsent owed = unsent_.owed();
    std::string text;
    for (const StagedReply& reply : owed.replies) {
      text += "0" + std::to_string(static_cast<int>(reply.type)) + ":" +
              std::to_string(reply.bytes) + " ";
    }
    return text + std::to_string(owed.sent_of_first) + " sent";
  }

  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(64 * 1024, SecretArena::Locking::kBestEffort).value();
  UnsentReplies unsent_;
};

const std::vector<StagedReply> kTwo = {{CommandType::kReadBlocking, 4},
                                       {CommandType::kReadNonBlocking, 3}};

TEST_F(UnsentRepliesTest, TheRestIsKeptUntilItIsTaken) {
  EXPECT_TRUE(unsent_.empty());
  EXPECT_EQ(Owed(), "0 sent");
  ASSERT_TRUE(Keep(kTwo, 1));
  EXPECT_FALSE(unsent_.empty());
  EXPECT_EQ(Left(), "bcdefg");
  EXPECT_EQ(Owed(), "02:4 01:3 1 sent");
  unsent_.Took(2);
  EXPECT_EQ(Left(), "defg");
  EXPECT_EQ(Owed(), "02:4 01:3 3 sent");
  unsent_.Took(1);
  EXPECT_EQ(Owed(), "01:3 0 sent") << "the first has left whole";
  unsent_.Took(1);
  EXPECT_EQ(Owed(), "01:3 1 sent");
  unsent_.Took(2);
  EXPECT_TRUE(unsent_.empty());
  EXPECT_EQ(Owed(), "0 sent");
  EXPECT_EQ(arena_->used_bytes(), 0u);
}

TEST_F(UnsentRepliesTest, RepliesThatLeftBeforeAreForgotten) {
  ASSERT_TRUE(Keep(kTwo, 4));
  EXPECT_EQ(Left(), "efg");
  EXPECT_EQ(Owed(), "01:3 0 sent");
  unsent_.Took(3);
  ASSERT_TRUE(Keep(kTwo, 6));
  EXPECT_EQ(Left(), "g");
  EXPECT_EQ(Owed(), "01:3 2 sent");
}

TEST_F(UnsentRepliesTest, WhatIsDroppedIsGivenBackAndRoomForMore) {
  ASSERT_TRUE(Keep(kTwo, 2));
  unsent_.Took(1);
  unsent_.Drop();
  EXPECT_TRUE(unsent_.empty());
  EXPECT_EQ(arena_->used_bytes(), 0u);
  ASSERT_TRUE(Keep(kTwo, 0));
  EXPECT_EQ(Left(), "abcdefg");
  EXPECT_EQ(Owed(), "02:4 01:3 0 sent");
}

TEST_F(UnsentRepliesTest, WithoutRoomNothingIsKept) {
  const SecretBytes all = arena_->Allocate(64 * 1024).value();
  EXPECT_FALSE(Keep(kTwo, 1));
  EXPECT_TRUE(unsent_.empty());
  EXPECT_EQ(Owed(), "0 sent");
}

}  // namespace
}  // namespace entropyd
