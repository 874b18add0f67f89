#include "hostagent/guest/peer_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/loop/watched_pair.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;
using Sent = PeerSocket::Sent;

class PeerSocketTest : public testing::Test {
 protected:
  // More than any socket of a test takes.
  static constexpr uint32_t kFar = 4 << 20;

  PeerSocketTest() { EXPECT_TRUE(socket_.Begin(/*reads=*/true).ok()); }

  Sent Send(uint32_t bytes) {
    return socket_.Send(Bytes(bytes, 'e'), {{egd::CommandType::kReadBlocking, bytes}}, arena_.get(),
                        clock_.NowNanos());
  }
  // How many bytes the peer can read now.
  size_t PeerReads() {
    Bytes into(kFar);
    size_t all = 0;
    for (ssize_t n = 1; n > 0; all += static_cast<size_t>(std::max<ssize_t>(n, 0))) {
      n = read(pair_.peer.get(), into.data(), into.size());
    }
    return all;
  }
  // The events that the loop tells in the next turn.
  uint32_t Turn() {
    recorder_.seen.clear();
    loop_->RunOnce(0);
    return recorder_.seen.empty() ? 0 : recorder_.seen.front();
  }

  ManualClock clock_{kSecondNanos};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(2 * kFar, SecretArena::Locking::kBestEffort).value();
  Recorder recorder_;
  Pair pair_;
  PeerSocket socket_{loop_.get(), &recorder_, std::move(pair_.own)};
};

TEST_F(PeerSocketTest, WhatItTakesIsThePeersAndReadWhenThatHasReadIt) {
  EXPECT_TRUE(socket_.AllRead());
  clock_.AdvanceNanos(5);
  EXPECT_EQ(Send(64), Sent::kAll);
  EXPECT_FALSE(socket_.holds_back());
  EXPECT_EQ(socket_.wrote_at_nanos(), clock_.NowNanos());
  EXPECT_FALSE(socket_.AllRead());
  EXPECT_EQ(PeerReads(), 64u);
  EXPECT_TRUE(socket_.AllRead());
}

TEST_F(PeerSocketTest, WhatItDoesNotTakeIsKeptAndSentOn) {
  ASSERT_EQ(Send(kFar), Sent::kSome);
  EXPECT_TRUE(socket_.holds_back());
  EXPECT_LT(socket_.unsent().bytes.size(), kFar);
  EXPECT_EQ(socket_.SendRest(clock_.NowNanos()), Sent::kSome) << "nobody has read";
  size_t read = 0;
  Sent sent = Sent::kSome;
  while (sent == Sent::kSome) {
    read += PeerReads();
    sent = socket_.SendRest(clock_.NowNanos());
  }
  EXPECT_EQ(sent, Sent::kAll);
  EXPECT_FALSE(socket_.holds_back());
  EXPECT_EQ(read + PeerReads(), kFar);
}

TEST_F(PeerSocketTest, WithoutMemoryNothingIsKept) {
  const auto all = arena_->Allocate(2 * kFar);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(Send(kFar), Sent::kNoMemory);
  EXPECT_FALSE(socket_.holds_back());
}

TEST_F(PeerSocketTest, APeerThatIsGoneIsAFailureWithItsErrno) {
  pair_.peer.reset();
  EXPECT_EQ(Send(1), Sent::kFailed);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(PeerSocketTest, WhileSomethingIsHeldBackItTellsWhenItCanBeWritten) {
  Turn();
  ASSERT_EQ(Send(kFar), Sent::kSome);
  socket_.Watch(/*reads=*/false);
  EXPECT_EQ(Turn() & EPOLLOUT, 0u);
  PeerReads();
  EXPECT_NE(Turn() & EPOLLOUT, 0u);
}

TEST_F(PeerSocketTest, InputIsToldUnlessNobodyReads) {
  pair_.Speak();
  EXPECT_NE(Turn() & EPOLLIN, 0u);
  EXPECT_EQ(Turn() & EPOLLIN, 0u) << "once";
  socket_.Watch(/*reads=*/true);
  EXPECT_NE(Turn() & EPOLLIN, 0u) << "and again when it is watched anew";
  socket_.Watch(/*reads=*/false);
  pair_.Speak();
  EXPECT_EQ(Turn() & EPOLLIN, 0u);
  Bytes into(10);
  EXPECT_EQ(socket_.Receive(absl::MakeSpan(into)), 2);
}

TEST_F(PeerSocketTest, AClosedOneHoldsNothingAndTellsNothing) {
  ASSERT_EQ(Send(kFar), Sent::kSome);
  socket_.Close();
  EXPECT_TRUE(socket_.closed());
  EXPECT_FALSE(socket_.holds_back());
  EXPECT_EQ(Turn(), 0u);
  EXPECT_TRUE(arena_->Allocate(2 * kFar).ok()) << "the memory was given back";
}

TEST_F(PeerSocketTest, OneThatCannotBeWatchedIsClosed) {
  PeerSocket second(loop_.get(), &recorder_, UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)));
  EXPECT_FALSE(second.Begin(true).ok());  // epoll takes no such file
  EXPECT_TRUE(second.closed());
}

}  // namespace
}  // namespace entropyd
