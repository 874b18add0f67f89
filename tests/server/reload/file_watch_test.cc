#include "server/reload/file_watch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("a", "1");
    Write("b", "1");
    watch_.Set({Path("a"), Path("b")});
    EXPECT_EQ(watch_.Look(), 0b11u) << "nothing is known of a new file";
    EXPECT_EQ(watch_.Look(), 0u);
  }
  std::string Path(const std::string& name) const { return dir_ / name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }

  TempDir dir_;
  FileWatch watch_;
};

TEST_F(FileWatchTest, AChangeIsSeenOnceAndInItsFile) {
  Write("b", "22");
  EXPECT_EQ(watch_.Look(), 0b10u);
  EXPECT_EQ(watch_.Look(), 0u);
}

TEST_F(FileWatchTest, AFileThatIsReplacedByOneOfTheSameSizeAndTimeIsSeen) {
  struct stat before;
  ASSERT_EQ(stat(Path("a").c_str(), &before), 0);
  Write("new", "2");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("new").c_str(), times, 0), 0);
  ASSERT_EQ(rename(Path("new").c_str(), Path("a").c_str()), 0);
  EXPECT_EQ(watch_.Look(), 0b01u);
}

TEST_F(FileWatchTest, AFileThatGoesOrComesIsSeen) {
  ASSERT_EQ(unlink(Path("a").c_str()), 0);
  EXPECT_EQ(watch_.Look(), 0b01u);
  EXPECT_EQ(watch_.Look(), 0u);
  Write("a", "1");
  EXPECT_EQ(watch_.Look(), 0b01u);
}

TEST_F(FileWatchTest, ALinkThatLeadsElsewhereIsSeen) {
  ASSERT_EQ(symlink(Path("a").c_str(), Path("link").c_str()), 0);
  watch_.Set({Path("link")});
  EXPECT_EQ(watch_.Look(), 0b1u);
  ASSERT_EQ(symlink(Path("b").c_str(), Path("other").c_str()), 0);
  ASSERT_EQ(rename(Path("other").c_str(), Path("link").c_str()), 0);
  EXPECT_EQ(watch_.Look(), 0b1u);
}

TEST_F(FileWatchTest, WhatWasWatchedBeforeIsStillKnown) {
  watch_.Set({"", Path("b"), Path("none")});
  EXPECT_EQ(watch_.Look(), 0b100u) << "no path never changes, b is known";
  EXPECT_EQ(watch_.Look(), 0u);
}

}  // namespace
}  // namespace entropyd
