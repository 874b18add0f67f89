#include "base/telemetry/journal_stream.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

class JournalStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
    struct stat file;
    ASSERT_EQ(fstat(write_.get(), &file), 0);
    stream_ = absl::StrCat(file.st_dev, ":", file.st_ino);
  }
  void TearDown() override { unsetenv("JOURNAL_STREAM"); }
  static void Say(const std::string& stream) { setenv("JOURNAL_STREAM", stream.c_str(), 1); }

  UniqueFd read_, write_;
  std::string stream_;
};

TEST_F(JournalStreamTest, ItIsTheFileThatSystemdNames) {
  EXPECT_FALSE(LeadsToJournal(write_.get())) << "systemd has not started it";
  Say(stream_);
  EXPECT_TRUE(LeadsToJournal(write_.get()));
}

TEST_F(JournalStreamTest, WhatWasRedirectedIsNone) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd read(ends[0]), write(ends[1]);
  Say(stream_);
  EXPECT_FALSE(LeadsToJournal(write.get()));
  EXPECT_FALSE(LeadsToJournal(-1));
}

TEST_F(JournalStreamTest, AnythingElseIsNone) {
  for (const std::string& stream :
       {std::string(), stream_ + "0", "x" + stream_, std::string(":")}) {
    Say(stream);
    EXPECT_FALSE(LeadsToJournal(write_.get())) << stream;
  }
}

}  // namespace
}  // namespace entropyd
