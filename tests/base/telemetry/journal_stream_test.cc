#include "base/telemetry/journal_stream.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/base/telemetry/log_pipe.h"

namespace entropyd {
namespace {

TEST(JournalStreamTest, ItIsTheFileThatSystemdNames) {
  const LogPipe pipe;
  EXPECT_FALSE(LeadsToJournal(pipe.write.get())) << "systemd has not started it";
  const JournalStreamSaid said(pipe.Name());
  EXPECT_TRUE(LeadsToJournal(pipe.write.get()));
}

TEST(JournalStreamTest, WhatWasRedirectedIsNone) {
  const LogPipe pipe, other;
  const JournalStreamSaid said(pipe.Name());
  EXPECT_FALSE(LeadsToJournal(other.write.get()));
  EXPECT_FALSE(LeadsToJournal(-1));
}

TEST(JournalStreamTest, AnythingElseIsNone) {
  const LogPipe pipe;
  for (const std::string& name :
       {std::string(), pipe.Name() + "0", "x" + pipe.Name(), std::string(":")}) {
    const JournalStreamSaid said(name);
    EXPECT_FALSE(LeadsToJournal(pipe.write.get())) << name;
  }
}

}  // namespace
}  // namespace entropyd
