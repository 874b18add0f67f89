#include "hostagent/guest/session_state.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using egd::CommandType;
using testing::ElementsAre;
using Bytes = std::vector<uint8_t>;

std::string Text(const SessionState::Run& run) {
  return absl::StrCat("0x0", static_cast<int>(run.type), " each ", run.each, " bytes ", run.bytes,
                      " count ", run.count, " since ", run.since_nanos);
}

std::vector<std::string> Texts(const SessionState& state) {
  std::vector<std::string> texts;
  for (const SessionState::Run& run : state.runs) texts.push_back(Text(run));
  return texts;
}

SessionState Owed(const std::vector<StagedReply>& replies, uint32_t sent_of_first,
                  const Bytes& bytes = {}) {
  SessionState state;
  state.runs.push_back({3, 64, 1, CommandType::kReadBlocking, 0});
  OweUnsent({replies, sent_of_first, bytes}, 9, &state);
  return state;
}

TEST(SessionStateTest, RepliesOfWhichNothingLeftAreTheirCommandsAgain) {
  const SessionState state = Owed({{CommandType::kReadNonBlocking, 6},
                                   {CommandType::kReadNonBlocking, 6},
                                   {CommandType::kReadNonBlocking, 1},
                                   {CommandType::kGetPid, 5},
                                   {CommandType::kReadBlocking, 100},
                                   {CommandType::kReadBlocking, 50},
                                   {CommandType::kGetEntropyBits, 4}},
                                  0);
  EXPECT_THAT(
      Texts(state),
      ElementsAre("0x01 each 5 bytes 0 count 2 since 9", "0x01 each 0 bytes 0 count 1 since 9",
                  "0x04 each 0 bytes 0 count 1 since 9", "0x02 each 0 bytes 150 count 2 since 9",
                  "0x00 each 0 bytes 0 count 1 since 9", "0x02 each 0 bytes 64 count 1 since 3"));
  EXPECT_EQ(state.literal, "");
}

TEST(SessionStateTest, TheRestOfEntropyIsOwedAsANumberAndTheRestOfAnotherReplyIsALiteral) {
  EXPECT_THAT(
      Texts(Owed({{CommandType::kReadNonBlocking, 6}}, 2)),
      ElementsAre("0x02 each 0 bytes 4 count 1 since 9", "0x02 each 0 bytes 64 count 1 since 3"));
  EXPECT_THAT(
      Texts(Owed({{CommandType::kReadBlocking, 6}}, 5)),
      ElementsAre("0x02 each 0 bytes 1 count 1 since 9", "0x02 each 0 bytes 64 count 1 since 3"));
  const SessionState pid =
      Owed({{CommandType::kGetPid, 5}, {CommandType::kReadBlocking, 9}}, 3, {'1', '1', 0xff, 0xff});
  EXPECT_EQ(pid.literal, "11");
  EXPECT_EQ(pid.runs.size(), 2u);
}

TEST(SessionStateTest, AllOfItCrosses) {
  SessionState state;
  state.half.header[0] = 0x02;
  state.half.have = 1;
  state.started = true;
  state.literal = "11";
  state.commands = {1, 2, 3, 4, 5};
  state.taken = 77;
  state.runs.push_back({1'000, 64, 2, CommandType::kReadBlocking, 0});
  state.runs.push_back({2'000, 0, 1, CommandType::kReadNonBlocking, 7});
  handover::v1::Session saved;
  SaveSession(state, 5'000, &saved);
  const SessionState same = RestoreSession(saved, 100'000).value();
  EXPECT_EQ(same.half.header[0], 0x02);
  EXPECT_EQ(same.half.have, 1);
  EXPECT_TRUE(same.started);
  EXPECT_EQ(same.literal, "11");
  EXPECT_EQ(same.commands, state.commands);
  EXPECT_EQ(same.taken, 77u);
  EXPECT_THAT(Texts(same), ElementsAre("0x02 each 0 bytes 64 count 2 since 96000",
                                       "0x01 each 7 bytes 0 count 1 since 97000"));
}

TEST(SessionStateTest, AnAgeThatCannotBeIsBounded) {
  SessionState state;
  state.runs.push_back({-1'000'000, 1, 1, CommandType::kReadBlocking, 0});
  state.runs.push_back({50, 1, 1, CommandType::kReadBlocking, 0});
  handover::v1::Session saved;
  SaveSession(state, 10, &saved);
  EXPECT_THAT(
      Texts(RestoreSession(saved, 100).value()),
      ElementsAre("0x02 each 0 bytes 1 count 1 since 0", "0x02 each 0 bytes 1 count 1 since 100"));
}

handover::v1::Session Empty() {
  handover::v1::Session saved;
  SaveSession(SessionState(), 0, &saved);
  return saved;
}

TEST(SessionStateTest, RunsThatAreTooLargeInSumAreRefused) {
  handover::v1::Session saved = Empty();
  for (int i = 0; i < 2; ++i) {
    handover::v1::Run* run = saved.add_run();
    run->set_type(static_cast<uint32_t>(egd::CommandType::kReadBlocking));
    run->set_count(1);
    run->set_bytes(uint64_t{1} << (i == 0 ? 48 : 0));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(RestoreSession(saved, 0).status()));
  saved.mutable_run(1)->set_bytes(0);
  EXPECT_TRUE(RestoreSession(saved, 0).ok());
}

TEST(SessionStateTest, WhatNoSessionSavesIsRefused) {
  const handover::v1::Session good = Empty();
  const auto refused = [&good](auto change) {
    handover::v1::Session bad = good;
    change(&bad);
    return absl::IsInvalidArgument(RestoreSession(bad, 0).status());
  };
  EXPECT_TRUE(RestoreSession(good, 0).ok());
  EXPECT_TRUE(refused([](auto* s) { s->set_half_command("\x07"); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_half_command(std::string("\x03\0\0\0", 4)); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_half_command("\x02"), s->set_skip(3); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_skip(256); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_literal(std::string(21, 'x')); }));
  EXPECT_TRUE(refused([](auto* s) { s->clear_commands(); }));
  const auto run = [](uint32_t type, uint32_t each, uint64_t bytes, uint32_t count) {
    return [=](handover::v1::Session* s) {
      handover::v1::Run* r = s->add_run();
      r->set_type(type), r->set_each(each), r->set_bytes(bytes), r->set_count(count);
    };
  };
  EXPECT_TRUE(refused(run(3, 0, 0, 1)));
  EXPECT_TRUE(refused(run(258, 0, 0, 1)));
  EXPECT_TRUE(refused(run(2, 0, 1, 0)));
  EXPECT_TRUE(refused(run(2, 0, ~uint64_t{0}, 1)));
  EXPECT_TRUE(refused(run(1, 256, 0, 1)));
  EXPECT_TRUE(refused(run(1, 1, 5, 1)));
}

}  // namespace
}  // namespace entropyd
