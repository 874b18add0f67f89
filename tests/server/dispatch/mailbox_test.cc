#include "server/dispatch/mailbox.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

struct Letter final : MailNode {
  explicit Letter(int n = 0) : number(n) {}
  void OnMail(uint32_t, int64_t) override {}
  const int number;
};

std::vector<int> AbsorbNumbers(Mailbox* mailbox) {
  std::vector<int> numbers;
  mailbox->Absorb(
      [&](MailNode* node, uint32_t) { numbers.push_back(static_cast<Letter*>(node)->number); });
  return numbers;
}

TEST(MailboxTest, FirstPostToASleepingMailboxMakesItsCallerTheOwner) {
  Mailbox mailbox;
  Letter a(1), b(2);
  EXPECT_TRUE(mailbox.Post(&a, 1));
  EXPECT_FALSE(mailbox.Post(&b, 1));
  EXPECT_EQ(AbsorbNumbers(&mailbox), (std::vector<int>{1, 2}));
  EXPECT_TRUE(mailbox.TryRelease());
  EXPECT_TRUE(mailbox.Post(&b, 1));
}

TEST(MailboxTest, MailThatCameMeanwhileKeepsTheOwner) {
  Mailbox mailbox;
  Letter a(1), b(2);
  ASSERT_TRUE(mailbox.Post(&a, 1));
  AbsorbNumbers(&mailbox);
  EXPECT_FALSE(mailbox.Post(&b, 1));
  EXPECT_FALSE(mailbox.TryRelease());
  EXPECT_EQ(AbsorbNumbers(&mailbox), std::vector<int>{2});
  EXPECT_TRUE(mailbox.TryRelease());
}

TEST(MailboxTest, WhatIsLeftIsFirstTheNextTimeAndKeepsTheOwner) {
  Mailbox mailbox;
  Letter a(1), b(2), c(3), d(4);
  std::vector<int> numbers;
  const auto absorb = [&](size_t until) {
    mailbox.Absorb(
        [&](MailNode* node, uint32_t) { numbers.push_back(static_cast<Letter*>(node)->number); },
        [&] { return numbers.size() < until; });
  };
  ASSERT_TRUE(mailbox.Post(&a, 1));
  for (Letter* one : {&b, &c}) EXPECT_FALSE(mailbox.Post(one, 1));
  absorb(2);
  EXPECT_EQ(numbers, (std::vector<int>{1, 2}));
  EXPECT_FALSE(mailbox.TryRelease());
  EXPECT_FALSE(mailbox.Post(&d, 1));
  EXPECT_FALSE(mailbox.Post(&a, 1)) << "it may come again";
  absorb(9);
  EXPECT_EQ(numbers, (std::vector<int>{1, 2, 3}));
  EXPECT_FALSE(mailbox.TryRelease());
  absorb(9);
  EXPECT_EQ(numbers, (std::vector<int>{1, 2, 3, 4, 1}));
  EXPECT_TRUE(mailbox.TryRelease());
}

TEST(MailboxTest, EventsOfAQueuedNodeAddUp) {
  Mailbox mailbox;
  Letter a(1);
  mailbox.Post(&a, 1);
  mailbox.Post(&a, 4);
  uint32_t seen = 0;
  EXPECT_EQ(mailbox.Absorb([&](MailNode*, uint32_t events) { seen = events; }), 1);
  EXPECT_EQ(seen, 5u);
}

TEST(MailboxTest, ANodeMayBePostedAgainWhileItIsHandled) {
  Mailbox mailbox;
  Letter a(1);
  mailbox.Post(&a, 1);
  int handled = 0;
  for (int round = 0; round < 3; ++round) {
    mailbox.Absorb([&](MailNode* node, uint32_t) {
      ++handled;
      EXPECT_FALSE(mailbox.Post(node, 1));
    });
  }
  EXPECT_EQ(handled, 3);
}

TEST(MailboxTest, ANodeMayBeDeletedWhileItIsHandled) {
  Mailbox mailbox;
  for (int i = 0; i < 3; ++i) mailbox.Post(new Letter(i), 1);
  EXPECT_EQ(mailbox.Absorb([](MailNode* node, uint32_t) { delete static_cast<Letter*>(node); }), 3);
  EXPECT_TRUE(mailbox.TryRelease());
}

// In every interleaving there is one owner at a time (a plain counter stays right, and the thread
// sanitizer agrees), every post is absorbed, and nothing stays behind in a sleeping mailbox.
TEST(MailboxTest, EveryPostIsAbsorbedByExactlyOneOwner) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 250'000;  // each ends a sleep or races with one
  Mailbox mailbox;
  uint64_t absorbed = 0;  // owner only, no lock
  std::atomic<uint64_t> sleeps{0};

  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kPosts; ++n) {
        bool owner = mailbox.Post(new Letter(), 1);
        while (owner) {
          mailbox.Absorb([&](MailNode* node, uint32_t) {
            ++absorbed;
            delete static_cast<Letter*>(node);
          });
          owner = !mailbox.TryRelease();
          if (!owner) sleeps.fetch_add(1, std::memory_order_relaxed);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(absorbed, uint64_t{kThreads} * kPosts);
  EXPECT_GT(sleeps.load(), 0u);
  Letter last;
  EXPECT_TRUE(mailbox.Post(&last, 1)) << "the mailbox must sleep when all have gone";
}

}  // namespace
}  // namespace entropyd
