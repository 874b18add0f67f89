#include "client/call_error.h"

#include "base/wire/answer_mark.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(CallErrorTest, WhatFailedIsToldOnce) {
  EXPECT_EQ(CallError("drain", " of s:1", absl::NotFoundError("drain: no agent 'x'")),
            absl::NotFoundError("drain of s:1: no agent 'x'"));
  EXPECT_EQ(CallError("record source trng0", " of s:1",
                      absl::UnavailableError("record source trng0: the reader has gone")),
            absl::UnavailableError("record source trng0 of s:1: the reader has gone"));
  EXPECT_EQ(CallError("record source trng0", " of s:1",
                      absl::FailedPreconditionError("record source: it is not allowed")),
            absl::FailedPreconditionError("record source trng0 of s:1: it is not allowed"));
}

TEST(CallErrorTest, OtherMessagesStayWhole) {
  for (const char* message : {"no source 'x' is configured", "drained: kernel update", "dr: what",
                              "recorded: what", "", ": what", "test source trng0: busy"}) {
    EXPECT_EQ(CallError("drain", " of s:1", absl::UnknownError(message)),
              absl::UnknownError(std::string("drain of s:1: ") + message))
        << message;
  }
}

TEST(CallErrorTest, AConnectionThatWasWaitedForSaysHowLong) {
  const absl::Status lost = absl::UnavailableError("Handshake read failed");
  EXPECT_EQ(WithWait(lost, absl::Milliseconds(20'700)),
            absl::UnavailableError("Handshake read failed (given up after 20s)"));
  EXPECT_EQ(WithWait(lost, absl::Milliseconds(1'999)), lost);
  const absl::Status patient = absl::UnavailableError("no answer within 10s");
  EXPECT_EQ(WithWait(patient, absl::Seconds(10)), patient);
  absl::Status answer = absl::UnavailableError("the server drains");
  MarkAnswer(&answer);
  EXPECT_EQ(WithWait(answer, absl::Seconds(30)), answer);
  EXPECT_EQ(WithWait(absl::NotFoundError("no class"), absl::Seconds(30)),
            absl::NotFoundError("no class"));
}

TEST(CallErrorTest, AnAnswerKeepsItsMark) {
  absl::Status answer = absl::DeadlineExceededError("Deadline Exceeded");
  MarkAnswer(&answer);
  EXPECT_EQ(WithPatience(answer, absl::Seconds(10)), answer) << "the server's own deadline";
  EXPECT_TRUE(IsAnswer(CallError("get", " of s:1", answer)));
  EXPECT_FALSE(IsAnswer(CallError("get", " of s:1", absl::NotFoundError("x"))));
}

TEST(CallErrorTest, PassedDeadlineSaysHowLongTheCallerWaited) {
  EXPECT_EQ(WithPatience(absl::DeadlineExceededError("Deadline Exceeded"), absl::Seconds(10)),
            absl::DeadlineExceededError("no answer within 10s"));
  for (const absl::Status& other :
       {absl::DeadlineExceededError("get: the class gave nothing"), absl::OkStatus(),
        absl::UnavailableError("Deadline Exceeded")}) {
    EXPECT_EQ(WithPatience(other, absl::Seconds(10)), other);
  }
}

}  // namespace
}  // namespace entropyd
