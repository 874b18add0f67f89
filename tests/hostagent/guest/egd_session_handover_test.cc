// Half commands and half replies, saved and restored.
#include <algorithm>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "hostagent/guest/egd_session.h"
#include "tests/hostagent/fake_buffer.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

// Grants all that is wanted, as far as bytes are there, and answers.
Bytes Answer(EgdSession* session, ClassBuffer* buffer, size_t room = 1 << 16,
             std::vector<StagedReply>* replies = nullptr) {
  Bytes all;
  for (int i = 0; i < 4; ++i) {
    session->Grant(static_cast<uint32_t>(std::min<uint64_t>(session->Want(), buffer->level())));
    Bytes out(room);
    std::vector<int64_t> completed;
    auto take = [buffer](absl::Span<uint8_t> bytes) { return buffer->Take(bytes); };
    auto available = [buffer] { return buffer->level(); };
    out.resize(session->Fill(absl::MakeSpan(out), {take, available, true}, &completed, replies));
    session->Forfeit();
    all.insert(all.end(), out.begin(), out.end());
    if (replies != nullptr) break;
  }
  return all;
}

handover::v1::Session Saved(const EgdSession& session, const Unsent& unsent = {}) {
  handover::v1::Session saved;
  session.Save(unsent, 0, &saved);
  return saved;
}

TEST(HandoverSessionTest, EveryCommandIsAnsweredAlikeWhereverItIsCutInTwo) {
  const Bytes stream = {0x02, 9,    0x00, 0x03, 0,    8, 3,    'a', 'b',
                        'c',  0x01, 7,    0x04, 0x02, 0, 0x02, 255};
  FakeBuffer whole_buffer;
  whole_buffer.Fill(4'000);
  EgdSession whole(4711);
  ASSERT_EQ(whole.OnInput(stream, 0), EgdSession::Input::kOk);
  const Bytes expected = Answer(&whole, &whole_buffer);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    FakeBuffer buffer;
    buffer.Fill(4'000);
    EgdSession before(4711);
    EgdSession after(4711);
    const absl::Span<const uint8_t> bytes = stream;
    ASSERT_EQ(before.OnInput(bytes.first(cut), 0), EgdSession::Input::kOk);
    ASSERT_TRUE(after.Restore(Saved(before), 0).ok());
    EXPECT_EQ(after.started(), cut > 0);
    ASSERT_EQ(after.OnInput(bytes.subspan(cut), 0), EgdSession::Input::kOk);
    EXPECT_EQ(Answer(&after, &buffer), expected) << "cut after " << cut;
    EXPECT_EQ(after.commands(), whole.commands());
    EXPECT_EQ(after.taken(), whole.taken());
  }
}

TEST(HandoverSessionTest, WhatIsOwedCrossesAndKeepsItsAge) {
  EgdSession before(1);
  before.OnInput(Bytes{0x02, 64, 0x02, 255}, 1'000);
  before.OnInput(Bytes{0x01, 7}, 2'000);
  handover::v1::Session saved;
  before.Save({}, 5'000, &saved);
  EgdSession after(1);
  ASSERT_TRUE(after.Restore(saved, 100'000).ok());
  EXPECT_EQ(after.owed(), 319u);
  handover::v1::Session again;
  after.Save({}, 100'000, &again);
  EXPECT_EQ(again.DebugString(), saved.DebugString());
}

// Whatever part of the replies the socket took, the peer gets whole replies in order. New bytes
// replace those that it had not got.
TEST(HandoverSessionTest, RepliesCutAtEveryByteAreContinued) {
  const Bytes stream = {0x01, 5, 0x00, 0x02, 9, 0x04, 0x01, 0, 0x01, 3, 0x02, 4};
  const size_t total = 6 + 4 + 9 + 5 + 1 + 4 + 4;
  for (size_t sent = 0;; ++sent) {
    FakeBuffer buffer;
    buffer.Fill(1'000);
    EgdSession before(4711);
    before.OnInput(stream, 0);
    std::vector<StagedReply> replies;
    const Bytes staged = Answer(&before, &buffer, 1 << 16, &replies);
    if (sent > staged.size()) break;  // the rest is still owed
    Unsent unsent;
    unsent.replies = replies;
    unsent.bytes = absl::Span<const uint8_t>(staged).subspan(sent);
    size_t skip = sent;
    while (!unsent.replies.empty() && skip >= unsent.replies.front().bytes) {
      skip -= unsent.replies.front().bytes;
      unsent.replies.remove_prefix(1);
    }
    unsent.sent_of_first = static_cast<uint32_t>(skip);
    EgdSession after(4711);
    ASSERT_TRUE(after.Restore(Saved(before, unsent), 0).ok()) << sent;
    const Bytes rest = Answer(&after, &buffer);
    ASSERT_EQ(rest.size(), total - sent) << "cut after " << sent;
    EXPECT_TRUE(after.idle());
    // Framing is as it was; only entropy bytes differ.
    Bytes seen(staged.begin(), staged.begin() + static_cast<ptrdiff_t>(sent));
    seen.insert(seen.end(), rest.begin(), rest.end());
    EXPECT_EQ(seen[0], 5);
    for (size_t at : {0, 19, 20, 21, 22, 23, 24, 25}) {
      EXPECT_EQ(seen[at], staged[at]) << "byte " << at << ", cut after " << sent;
    }
  }
}

TEST(HandoverSessionTest, AReplyCutTwiceIsStillContinued) {
  FakeBuffer buffer;
  EgdSession first(123456);
  first.OnInput(Bytes{0x04}, 0);
  std::vector<StagedReply> replies;
  Bytes staged = Answer(&first, &buffer, 256, &replies);
  ASSERT_EQ(staged.size(), 7u);
  EgdSession second(99);
  ASSERT_TRUE(
      second.Restore(Saved(first, {replies, 2, absl::MakeSpan(staged).subspan(2)}), 0).ok());
  replies.clear();
  Bytes rest = Answer(&second, &buffer, 256, &replies);
  ASSERT_EQ(rest, Bytes({'2', '3', '4', '5', '6'}));
  EgdSession third(7);
  ASSERT_TRUE(third.Restore(Saved(second, {replies, 1, absl::MakeSpan(rest).subspan(1)}), 0).ok());
  EXPECT_EQ(Answer(&third, &buffer), Bytes({'3', '4', '5', '6'}));
}

TEST(HandoverSessionTest, AFullQueueCrossesAndHasRoomAgainWhenItIsAnswered) {
  EgdSession before(1);
  for (size_t i = 0; i < EgdSession::kMaxRuns; i += 2) {
    ASSERT_EQ(before.OnInput(Bytes{0x00, 0x04}, 0), EgdSession::Input::kOk);
  }
  EgdSession after(1);
  ASSERT_TRUE(after.Restore(Saved(before), 0).ok());
  EXPECT_EQ(after.runs(), EgdSession::kMaxRuns);
  EXPECT_EQ(after.Room(), 0u);
  FakeBuffer buffer;
  while (!after.idle()) Answer(&after, &buffer);
  EXPECT_EQ(after.Room(), EgdSession::kMaxRuns);
}

// A peer that never reads must not have more with each handover, which turns staged replies into
// runs again.
TEST(HandoverSessionTest, ManyHandoversLetNoQueueGrow) {
  auto session = std::make_unique<EgdSession>(1);
  FakeBuffer buffer;
  for (int handovers = 0; handovers < 5; ++handovers) {
    while (session->Room() >= 2) {
      ASSERT_EQ(session->OnInput(Bytes{0x00, 0x04}, 0), EgdSession::Input::kOk);
    }
    std::vector<StagedReply> replies;
    Bytes staged = Answer(session.get(), &buffer, 4096, &replies);
    const handover::v1::Session saved = Saved(*session, {replies, 0, absl::MakeSpan(staged)});
    EXPECT_LE(static_cast<size_t>(saved.run_size()),
              EgdSession::kMaxRuns + EgdSession::kMaxReplies);
    session = std::make_unique<EgdSession>(1);
    ASSERT_TRUE(session->Restore(saved, 0).ok());
  }
}

}  // namespace
}  // namespace entropyd
