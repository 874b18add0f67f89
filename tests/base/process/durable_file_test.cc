#include "base/process/durable_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/temp_dir.h"

namespace {

// The disk under a directory is broken: what happened to the directory does not reach it.
std::atomic<bool> directories_fail{false};

// Runs before a file is synced, if it is set.
std::function<void()> at_sync;

// The files that were synced, and under which name they were to be found then.
std::vector<std::string> synced;

}  // namespace

// Stands before the C library's.
extern "C" int fsync(int fd) {
  struct stat st;
  if (directories_fail && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
    errno = EIO;
    return -1;
  }
  if (at_sync) at_sync();
  char name[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = readlink(link.c_str(), name, sizeof name);
  if (n > 0) synced.emplace_back(name, static_cast<size_t>(n));
  return static_cast<int>(syscall(SYS_fsync, fd));
}

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DurableFileTest : public testing::Test {
 protected:
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  // The number of a process that has ended.
  static pid_t Gone() {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
    return child;
  }
  size_t Files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  const TempDir dir_;
  const std::string folder_ = dir_.path();
  const std::string path_ = dir_ / "state";
};

TEST_F(DurableFileTest, WritesAndReplaces) {
  ASSERT_TRUE(WriteDurably(path_, "one").ok());
  EXPECT_EQ(Text(), "one");
  struct stat there;
  ASSERT_EQ(stat(path_.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0600u);
  const std::string longer(100'000, 'x');
  ASSERT_TRUE(WriteDurably(path_, longer).ok());
  EXPECT_EQ(Text(), longer);
  ASSERT_TRUE(WriteDurably(path_, "").ok());
  EXPECT_EQ(Text(), "");
  EXPECT_EQ(Files(), 1u);
}

// Else a power cut may leave the new name with an empty file, or the old name.
TEST_F(DurableFileTest, TheTextIsOnTheDiskBeforeItsNameAndTheNameBeforeTheAnswer) {
  synced.clear();
  ASSERT_TRUE(WriteDurably(path_, "one").ok());
  EXPECT_THAT(synced, ElementsAre(StartsWith(path_ + ".new."), folder_));
}

TEST_F(DurableFileTest, WhatAnEarlierCrashLeftIsRemoved) {
  const pid_t gone = Gone();
  for (const std::string& left : {std::string(".new"), absl::StrCat(".new.", gone, "-0123abcd"),
                                  absl::StrCat(".new.", getpid(), "-0123abcd")}) {
    std::ofstream(path_ + left) << "half of someth";
  }
  ASSERT_TRUE(WriteDurably(path_, "whole").ok());
  EXPECT_EQ(Text(), "whole");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(DurableFileTest, FilesOfOthersAreLeftAlone) {
  for (const std::string& other :
       {std::string("other.new"), std::string("state.newer"), std::string("state.new.md"),
        absl::StrCat("state.new.", getppid(), "-0123abcd"), std::string("state2.new.1-2")}) {
    std::ofstream(folder_ + "/" + other) << "somebody's";
  }
  ASSERT_TRUE(WriteDurably(path_, "whole").ok());
  EXPECT_EQ(Files(), 6u);
}

// As a giver does that hangs in its disk, while its taker has the file already.
TEST_F(DurableFileTest, AWriterThatHangsSpoilsNoTextOfAnother) {
  at_sync = [this] {
    at_sync = nullptr;
    const pid_t taker = fork();
    if (taker == 0) _exit(WriteDurably(path_, "the taker's").ok() ? 0 : 1);
    int status = -1;
    EXPECT_EQ(waitpid(taker, &status, 0), taker);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(Text(), "the taker's");
  };
  EXPECT_TRUE(WriteDurably(path_, "the giver's, which is longer").ok());
  EXPECT_EQ(Text(), "the giver's, which is longer");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(DurableFileTest, AFailureLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(WriteDurably(path_, "old").ok());
  // No file may grow beyond a KiB, as if the disk were full.
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit full = {1024, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Status status = WriteDurably(path_, std::string(5'000, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("write " + path_ + ".new"));
  EXPECT_EQ(Text(), "old");
  EXPECT_EQ(Files(), 1u);
}

// The file is there for all who look. Whoever is told that nothing has changed would be wrong.
TEST_F(DurableFileTest, ADirectoryThatIsNotSyncedHasTheNewFileAndTheErrorSaysSo) {
  ASSERT_TRUE(WriteDurably(path_, "old").ok());
  directories_fail = true;
  const absl::Status status = WriteDurably(path_, "new");
  directories_fail = false;
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("a power cut may undo this: sync " + folder_));
  EXPECT_EQ(Text(), "new");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(DurableFileTest, AFolderInTheWayIsAnErrorThatNamesIt) {
  std::filesystem::create_directory(path_);
  const absl::Status status = WriteDurably(path_, "text");
  EXPECT_THAT(status.message(), HasSubstr("rename " + path_ + ".new."));
  EXPECT_EQ(Files(), 1u);
  EXPECT_THAT(WriteDurably(folder_ + "/missing/state", "text").message(),
              HasSubstr("open " + folder_ + "/missing"));
}

TEST_F(DurableFileTest, NothingIsWrittenThroughALinkOrIntoAFifo) {
  const std::string other = folder_ + "/other";
  std::ofstream(other) << "somebody's";
  const auto other_is_whole = [&other] {
    std::ostringstream text;
    text << std::ifstream(other).rdbuf();
    return text.str() == "somebody's";
  };
  std::filesystem::create_symlink(other, path_ + ".new");
  std::filesystem::create_symlink(other, path_);
  ASSERT_TRUE(WriteDurably(path_, "one").ok());
  EXPECT_EQ(Text(), "one");
  EXPECT_TRUE(other_is_whole());
  std::filesystem::create_hard_link(other, path_ + ".new");
  ASSERT_TRUE(WriteDurably(path_, "two").ok());
  EXPECT_EQ(Text(), "two");
  EXPECT_TRUE(other_is_whole());
  ASSERT_EQ(mkfifo((path_ + ".new").c_str(), 0600), 0);
  ASSERT_TRUE(WriteDurably(path_, "three").ok());
  EXPECT_EQ(Text(), "three");
  EXPECT_EQ(Files(), 2u);
}

}  // namespace
}  // namespace entropyd
