#include "hostagent/guest/egd_session.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kPid = 4711;
const Bytes kPidReply = {4, '4', '7', '1', '1'};

Bytes Concat(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A session beside a buffer; Pass() does what a class tree and a socket would do.
class EgdSessionTest : public testing::Test {
 protected:
  EgdSession::Input Send(const Bytes& bytes, int64_t now = 0) {
    return session_.OnInput(bytes, now);
  }

  // Runs one pass: grants what is there, at most `cap`, and returns the staged replies.
  Bytes Pass(size_t cap = SIZE_MAX, size_t room = 64 * 1024, bool settle = true) {
    const uint64_t want = session_.Want();
    session_.Grant(
        static_cast<uint32_t>(std::min({want, uint64_t{buffer_.level()}, uint64_t{cap}})));
    Bytes out(room);
    auto take = [this](absl::Span<uint8_t> bytes) { return buffer_.Take(bytes); };
    auto available = [this] { return buffer_.level(); };
    out.resize(session_.Fill(absl::MakeSpan(out), {take, available, settle}, &completed_));
    session_.Forfeit();
    return out;
  }
  // Runs passes until nothing more comes.
  Bytes Drain() {
    Bytes all;
    for (Bytes part = Pass(); !part.empty(); part = Pass()) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

  FakeBuffer buffer_;
  EgdSession session_{kPid};
  std::vector<int64_t> completed_;
};

TEST_F(EgdSessionTest, EntropyIsToldInBits) {
  buffer_.Fill(1000);
  Send({0x00});
  EXPECT_THAT(Pass(), ElementsAre(0, 0, 0x1f, 0x40));  // 8000
  EXPECT_TRUE(session_.idle());
}

TEST_F(EgdSessionTest, PidIsToldInDecimal) {
  Send({0x04});
  EXPECT_EQ(Pass(), kPidReply);
}

TEST_F(EgdSessionTest, NonBlockingReadGrantsWhatIsThere) {
  buffer_.Fill(10);
  Send({0x01, 32});
  EXPECT_EQ(Pass(), Concat({{10}, StreamBytes(0, 10)}));
  EXPECT_TRUE(session_.idle());
}

TEST_F(EgdSessionTest, NonBlockingReadOfAnEmptyBufferGrantsNothingAtOnce) {
  Send({0x01, 32});
  EXPECT_THAT(Pass(), ElementsAre(0));
  EXPECT_TRUE(session_.idle());
  buffer_.Fill(100);
  EXPECT_THAT(Pass(), IsEmpty());  // and nothing follows later
}

TEST_F(EgdSessionTest, NonBlockingReadWaitsUntilAPassHasBeenOver) {
  Send({0x01, 32});
  EXPECT_THAT(Pass(0, 64 * 1024, /*settle=*/false), IsEmpty());
  EXPECT_FALSE(session_.idle());
}

TEST_F(EgdSessionTest, PipelinedNonBlockingReadsShareWhatIsThereInOrder) {
  buffer_.Fill(40);
  Send({0x01, 32, 0x01, 32, 0x01, 32});
  EXPECT_EQ(Pass(), Concat({{32}, StreamBytes(0, 32), {8}, StreamBytes(32, 8), {0}}));
}

TEST_F(EgdSessionTest, BlockingReadIsNeverShort) {
  buffer_.Fill(63);
  Send({0x02, 64});
  EXPECT_EQ(Pass(), StreamBytes(0, 63));
  EXPECT_FALSE(session_.idle());
  EXPECT_THAT(Pass(), IsEmpty());
  buffer_.Fill(100);
  EXPECT_EQ(Pass(), StreamBytes(63, 1));  // exactly the rest
  EXPECT_TRUE(session_.idle());
}

TEST_F(EgdSessionTest, ReadsOfZeroAnd255Bytes) {
  buffer_.Fill(1000);
  Send({0x02, 0, 0x01, 0, 0x02, 255, 0x01, 255});
  EXPECT_EQ(Drain(), Concat({{0}, StreamBytes(0, 255), {255}, StreamBytes(255, 255)}));
  EXPECT_TRUE(session_.idle());
  EXPECT_EQ(session_.commands_total(), 4u);
}

TEST_F(EgdSessionTest, ZeroByteReadAloneIsAnsweredWithNothing) {
  Send({0x02, 0});
  EXPECT_THAT(Pass(), IsEmpty());
  EXPECT_TRUE(session_.idle());
}

TEST_F(EgdSessionTest, M19_WrittenEntropyIsSkippedAndEarnsNothing) {
  Send({0x03, 0xff, 0xff, 3, 0x02, 0x02, 0x02, 0x04});
  EXPECT_EQ(Drain(), kPidReply);
  EXPECT_EQ(session_.commands()[3], 1u);
  EXPECT_EQ(session_.commands()[2], 0u);  // its data is no command
  EXPECT_EQ(session_.owed(), 0u);
}

TEST_F(EgdSessionTest, M19_WrittenEntropyRaisesNoAccountWhateverItClaims) {
  buffer_.Fill(10);
  Bytes write = {0x03, 0xff, 0xff, 255};  // 65535 bits in 255 bytes
  write.insert(write.end(), 255, 0xa5);
  Send({0x00});
  Send(write);
  Send({0x00, 0x01, 32});
  EXPECT_EQ(Drain(), Concat({{0, 0, 0, 80}, {0, 0, 0, 80}, {10}, StreamBytes(0, 10)}));
}

TEST_F(EgdSessionTest, RepliesKeepTheOrderOfMixedCommands) {
  Send({0x04, 0x02, 16, 0x00, 0x01, 8, 0x02, 16, 0x04});
  EXPECT_EQ(Drain(), kPidReply);  // then the buffer is empty, and all that follows waits
  buffer_.Fill(64);
  EXPECT_EQ(Drain(), Concat({StreamBytes(0, 16),
                             {0, 0, 0x01, 0x80},  // 48 bytes are left
                             {8},
                             StreamBytes(16, 8),
                             StreamBytes(24, 16),
                             kPidReply}));
  EXPECT_TRUE(session_.idle());
}

TEST_F(EgdSessionTest, NonBlockingReadBehindABlockingOneSeesWhatIsLeft) {
  buffer_.Fill(16);
  Send({0x02, 16, 0x01, 8});
  EXPECT_EQ(Pass(), StreamBytes(0, 16));
  EXPECT_TRUE(session_.needs_pass());  // it was not asked for yet: not settled with 0
  buffer_.Fill(8);
  EXPECT_EQ(Pass(), Concat({{8}, StreamBytes(16, 8)}));
}

TEST_F(EgdSessionTest, EverySplitOfTheInputGivesTheSameReplies) {
  const Bytes input = {0x02, 5, 0x00, 0x03, 0, 8, 2, 0xaa, 0xbb, 0x01, 4, 0x04, 0x02, 255};
  const size_t kLevel = 600;
  Bytes expected;
  for (size_t split = 0; split <= input.size(); ++split) {
    FakeBuffer buffer;
    buffer.Fill(kLevel);
    EgdSession session(kPid);
    Bytes replies;
    auto serve = [&] {
      for (bool more = true; more;) {
        session.Grant(static_cast<uint32_t>(session.Want()));
        Bytes out(4096);
        auto take = [&](absl::Span<uint8_t> bytes) { return buffer.Take(bytes); };
        auto available = [&] { return buffer.level(); };
        const size_t n = session.Fill(absl::MakeSpan(out), {take, available, true}, &completed_);
        session.Forfeit();
        replies.insert(replies.end(), out.begin(), out.begin() + static_cast<ptrdiff_t>(n));
        more = n > 0;
      }
    };
    const absl::Span<const uint8_t> all = input;
    EXPECT_EQ(session.OnInput(all.first(split), 0), EgdSession::Input::kOk);
    serve();
    EXPECT_EQ(session.OnInput(all.subspan(split), 0), EgdSession::Input::kOk);
    serve();
    if (split == 0) {
      expected = replies;
      EXPECT_EQ(replies.size(), 5 + 4 + 5 + 5 + 255u);
    }
    EXPECT_EQ(replies, expected) << "split at " << split;
    EXPECT_TRUE(session.idle());
  }
}

TEST_F(EgdSessionTest, TenThousandPipelinedReadsAreOneRunAndAllAnswered) {
  Bytes input;
  for (int i = 0; i < 10'000; ++i) input.insert(input.end(), {0x02, 64});
  EXPECT_EQ(Send(input), EgdSession::Input::kOk);
  EXPECT_EQ(session_.owed(), 640'000u);
  buffer_.Fill(640'000);
  Bytes replies;
  while (!session_.idle()) {
    const Bytes part = Pass();
    ASSERT_FALSE(part.empty());
    replies.insert(replies.end(), part.begin(), part.end());
  }
  EXPECT_EQ(replies, StreamBytes(0, 640'000));
  EXPECT_EQ(completed_.size(), 1u);
}

TEST_F(EgdSessionTest, TenThousandPipelinedCommandsOfAlternatingKindsAreAllAnswered) {
  Bytes input;
  for (int i = 0; i < 5'000; ++i) input.insert(input.end(), {0x02, 1, 0x04});
  EXPECT_EQ(Send(input), EgdSession::Input::kOk);
  buffer_.Fill(5'000);
  const Bytes replies = Drain();
  ASSERT_EQ(replies.size(), 5'000 * (1 + kPidReply.size()));
  for (size_t i = 0; i < 5'000; ++i) {
    ASSERT_EQ(replies[i * 6], StreamByte(i));
    ASSERT_TRUE(std::equal(kPidReply.begin(), kPidReply.end(), replies.begin() + i * 6 + 1));
  }
}

TEST_F(EgdSessionTest, EndlessPipelinedPidCommandsCostOneRun) {
  const Bytes input(10'000, 0x04);
  for (int i = 0; i < 10; ++i) {
    ASSERT_GE(session_.Room(), input.size());
    EXPECT_EQ(Send(input), EgdSession::Input::kOk);
  }
  size_t bytes = 0;
  while (!session_.idle()) bytes += Pass().size();
  EXPECT_EQ(bytes, 100'000 * kPidReply.size());
  EXPECT_EQ(completed_.size(), 1u);
}

TEST_F(EgdSessionTest, WhoAlternatesForEverHasNoRoomWhenTheQueueIsFull) {
  const Bytes two = {0x00, 0x04};
  for (size_t i = 0; i < EgdSession::kMaxRuns; i += 2) {
    ASSERT_EQ(session_.Room(), EgdSession::kMaxRuns - i);
    ASSERT_EQ(Send(two), EgdSession::Input::kOk);
  }
  EXPECT_EQ(session_.Room(), 0u);
  EXPECT_EQ(session_.runs(), EgdSession::kMaxRuns);
}

TEST_F(EgdSessionTest, TheQueueHasNoMemoryForMoreRunsThanItMay) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(session_.OnInput(Bytes{0x02, 1}, 0, 100), EgdSession::Input::kOk);
    ASSERT_EQ(session_.OnInput(Bytes{0x04}, 0, 100), EgdSession::Input::kOk);
  }
  EXPECT_EQ(session_.runs(), 100u);
  EXPECT_EQ(session_.capacity(), 100u);
  EXPECT_EQ(session_.Room(100), 0u);
  // What is answered leaves room, which it keeps when it may have no more.
  buffer_.Fill(1);
  Pass();
  EXPECT_EQ(session_.Room(0), 2u);
  EXPECT_EQ(session_.OnInput(Bytes{0x02, 1}, 0, 0), EgdSession::Input::kOk);
  EXPECT_EQ(session_.Room(0), 1u);
  EXPECT_EQ(session_.OnInput(Bytes{0x04}, 0, 0), EgdSession::Input::kOk);
  EXPECT_EQ(session_.Room(0), 0u);
  EXPECT_EQ(session_.capacity(), 100u);
}

TEST_F(EgdSessionTest, CommandsOfManyBatchesStayBounded) {
  Bytes input;
  for (int64_t now = 0; now < 100'000; ++now) {
    ASSERT_EQ(Send({0x02, 255}, now), EgdSession::Input::kOk);
  }
  EXPECT_EQ(session_.owed(), 25'500'000u);
  buffer_.Fill(25'500'000);
  while (!session_.idle()) ASSERT_FALSE(Pass().empty());
  EXPECT_EQ(completed_.size(), EgdSession::kExactRuns);
  EXPECT_TRUE(std::is_sorted(completed_.begin(), completed_.end()));
}

TEST_F(EgdSessionTest, UnknownCommandIsReportedWithItsByte) {
  EXPECT_EQ(Send({0x04, 0x07, 0x04}), EgdSession::Input::kUnknownCommand);
  EXPECT_EQ(session_.unknown_command(), 0x07);
}

TEST_F(EgdSessionTest, HalfACommandOwesNothing) {
  Send({0x02});
  EXPECT_TRUE(session_.started());
  EXPECT_TRUE(session_.idle());
  EXPECT_EQ(session_.Want(), 0u);
}

TEST_F(EgdSessionTest, AFreshSessionHasNotStarted) {
  EXPECT_FALSE(session_.started());
  Send({});
  EXPECT_FALSE(session_.started());
}

TEST_F(EgdSessionTest, SmallestRoomStillMovesOn) {
  buffer_.Fill(2000);
  Send({0x01, 255, 0x04, 0x02, 255, 0x00, 0x01, 255});
  Bytes replies;
  while (!session_.idle()) {
    const Bytes part = Pass(SIZE_MAX, EgdSession::kMinRoom);
    ASSERT_FALSE(part.empty());
    replies.insert(replies.end(), part.begin(), part.end());
  }
  EXPECT_EQ(replies.size(), 256 + kPidReply.size() + 255 + 4 + 256);
}

TEST_F(EgdSessionTest, ForfeitedGrantIsWantedAgain) {
  Send({0x02, 64});
  EXPECT_EQ(session_.Want(), 64u);
  session_.Grant(64);
  EXPECT_EQ(session_.Want(), 0u);
  session_.Forfeit();
  EXPECT_EQ(session_.Want(), 64u);
}

TEST_F(EgdSessionTest, CompletionTellsWhenTheRunArrived) {
  Send({0x02, 8, 0x02, 8}, 100);
  Send({0x02, 8}, 200);
  buffer_.Fill(20);
  Pass();
  EXPECT_THAT(completed_, ElementsAre(100));
  buffer_.Fill(4);
  Pass();
  EXPECT_THAT(completed_, ElementsAre(100, 200));
}

TEST_F(EgdSessionTest, NoByteIsTakenTwiceOverManyMixedPasses) {
  uint64_t blocking = 0;
  Bytes replies;
  for (int round = 0; round < 2'000; ++round) {
    const uint8_t n = static_cast<uint8_t>(round * 37);
    Send({0x02, n}, round);
    blocking += n;
    if (round % 3 == 0) buffer_.Fill(static_cast<size_t>(round % 301));
    const Bytes part = Pass(static_cast<size_t>(round % 97), 256 + static_cast<size_t>(round % 50));
    replies.insert(replies.end(), part.begin(), part.end());
  }
  buffer_.Fill(blocking);
  const Bytes rest = Drain();
  replies.insert(replies.end(), rest.begin(), rest.end());
  EXPECT_EQ(replies, StreamBytes(0, blocking));
}

TEST_F(EgdSessionTest, ShortRepliesEndATurnAsLongOnesDo) {
  const size_t kMax = EgdSession::kMaxReplies;
  Bytes ask;
  for (size_t i = 0; i < kMax + 10; ++i) ask.insert(ask.end(), {0x01, 0});
  ASSERT_EQ(Send(ask), EgdSession::Input::kOk);
  EXPECT_EQ(Pass(), Bytes(kMax));
  EXPECT_EQ(Pass(), Bytes(10));
  ASSERT_EQ(Send(Bytes(kMax + 10, 0x04)), EgdSession::Input::kOk);
  EXPECT_EQ(Pass().size(), kMax * kPidReply.size());
  EXPECT_EQ(Pass().size(), 10 * kPidReply.size());
  // Whatever they are, and in turn.
  ask.clear();
  for (size_t i = 0; i < kMax / 2 + 5; ++i) ask.insert(ask.end(), {0x04, 0x01, 0});
  ASSERT_EQ(Send(ask), EgdSession::Input::kOk);
  EXPECT_EQ(Pass().size(), kMax / 2 * (kPidReply.size() + 1));
  EXPECT_EQ(Pass().size(), 5 * (kPidReply.size() + 1));
  EXPECT_TRUE(session_.idle());
}

}  // namespace
}  // namespace entropyd
