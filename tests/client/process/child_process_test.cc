#include "client/process/child_process.h"

#include <signal.h>
#include <sys/stat.h>

#include <cerrno>

#include "client/process/scratch_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class ChildProcessTest : public testing::Test {
 protected:
  ScratchDir dir_ = ScratchDir::Temporary("child-process-test").value();
  const std::string log_ = dir_.File("log");

  std::unique_ptr<ChildProcess> Shell(const std::string& script) {
    return ChildProcess::Start({"sh", "-c", script}, log_).value();
  }
  // Blocks in the shell's own last word, not in a sleep of this test.
  std::string Ending(ChildProcess& child) {
    for (;;) {
      if (auto how = child.Exited()) return *how;
    }
  }
};

TEST_F(ChildProcessTest, TellsTheExitStatusAndKeepsTheOutput) {
  auto child = Shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(Ending(*child), "exited with status 3");
  EXPECT_FALSE(child->Succeeded());
  EXPECT_EQ(LastLines(log_, 9), "out\nerr");
}

TEST_F(ChildProcessTest, StandardOutputMayGoToAFileOfItsOwn) {
  auto child =
      ChildProcess::Start({"sh", "-c", "echo out; echo err >&2"}, log_, dir_.File("out")).value();
  Ending(*child);
  EXPECT_EQ(ReadFile(dir_.File("out")).value(), "out\n");
  EXPECT_EQ(ReadFile(log_).value(), "err\n");
}

TEST_F(ChildProcessTest, StatusZeroIsSuccess) {
  auto child = Shell("exit 0");
  Ending(*child);
  EXPECT_TRUE(child->Succeeded());
}

TEST_F(ChildProcessTest, AProgramThatIsMissingIsAnErrorOfStart) {
  const auto child = ChildProcess::Start({"/nonexistent/program"}, log_);
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(child.status().message()), HasSubstr("/nonexistent/program"));
}

TEST_F(ChildProcessTest, StopEndsAChildThatObeys) {
  auto child = Shell("exec cat /dev/zero >/dev/null");
  EXPECT_FALSE(child->Exited().has_value());
  child->Stop(absl::Seconds(30));
  EXPECT_EQ(child->Exited().value(), "killed by signal 15");
}

TEST_F(ChildProcessTest, StopKillsAChildThatIgnoresSigterm) {
  auto child = Shell("trap '' TERM; echo ready; while :; do :; done");
  while (LastLines(log_, 1) != "ready") EXPECT_FALSE(child->Exited().has_value());
  child->Stop(absl::Milliseconds(20));
  EXPECT_EQ(child->Exited().value(), "killed by signal 9");
}

TEST_F(ChildProcessTest, TheDestructorLeavesNoProcessBehind) {
  pid_t pid;
  {
    auto child = Shell("exec cat /dev/zero >/dev/null");
    pid = child->pid();
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(ChildProcessTest, LastLinesKeepsTheEndOfALongLog) {
  ASSERT_TRUE(WriteFile(log_, "1\n2\n3\n4\n", 0600).ok());
  EXPECT_EQ(LastLines(log_, 2), "3\n4");
  EXPECT_EQ(LastLines("/nonexistent", 2), "");
}

TEST(ScratchDirTest, ATemporaryDirectoryGoesWithItsOwner) {
  std::string path;
  {
    ScratchDir dir = ScratchDir::Temporary("scratch-test").value();
    path = dir.path();
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
    ASSERT_TRUE(WriteFile(dir.File("x"), "y", 0600).ok());
    EXPECT_EQ(ReadFile(dir.File("x")).value(), "y");
  }
  struct stat info;
  EXPECT_EQ(stat(path.c_str(), &info), -1);
}

TEST(ScratchDirTest, ADirectoryThatWasThereIsEmptiedNotRemoved) {
  ScratchDir outer = ScratchDir::Temporary("scratch-test").value();
  ASSERT_EQ(mkdir(outer.File("mine").c_str(), 0700), 0);
  {
    ScratchDir dir = ScratchDir::At(outer.File("mine")).value();
    ASSERT_TRUE(WriteFile(dir.File("x"), "y", 0600).ok());
  }
  struct stat info;
  EXPECT_EQ(stat(outer.File("mine").c_str(), &info), 0);
  EXPECT_EQ(stat(outer.File("mine/x").c_str(), &info), -1);
}

TEST(ScratchDirTest, ADirectoryThatHoldsSomethingIsRefusedAndLeftAlone) {
  ScratchDir outer = ScratchDir::Temporary("scratch-test").value();
  ASSERT_TRUE(WriteFile(outer.File("precious"), "y", 0600).ok());
  EXPECT_EQ(ScratchDir::At(outer.path()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadFile(outer.File("precious")).value(), "y");
}

}  // namespace
}  // namespace entropyd
