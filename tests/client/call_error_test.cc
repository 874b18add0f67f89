#include "client/call_error.h"

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
