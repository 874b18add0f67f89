#include "client/process/child_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"
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
  std::string Ending(ChildProcess& child) {
    return child.ExitedBy(absl::InfiniteFuture()).value_or("runs");
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

TEST_F(ChildProcessTest, AWaitEndsAtItsDeadlineOrWithTheChild) {
  auto child = Shell("exec tail -f /dev/null");
  EXPECT_FALSE(child->ExitedBy(absl::InfinitePast()).has_value());
  EXPECT_FALSE(child->ExitedBy(absl::Now() + absl::Milliseconds(1)).has_value());
  kill(child->pid(), SIGKILL);
  EXPECT_EQ(Ending(*child), "killed by signal 9");
  EXPECT_EQ(Ending(*child), "killed by signal 9") << "also when nothing is left to wait for";
}

TEST_F(ChildProcessTest, AProgramThatIsMissingIsAnErrorOfStart) {
  const auto child = ChildProcess::Start({"/nonexistent/program"}, log_);
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(child.status().message()), HasSubstr("/nonexistent/program"));
}

// As a parent that ignored SIGCHLD has left it: the kernel would forget the child at once.
TEST_F(ChildProcessTest, AnIgnoredSignalOfTheParentHidesNoEnd) {
  ASSERT_NE(signal(SIGCHLD, SIG_IGN), SIG_ERR);
  const auto missing = ChildProcess::Start({"/nonexistent/program"}, log_);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound) << missing.status();
  ASSERT_NE(signal(SIGCHLD, SIG_IGN), SIG_ERR);
  EXPECT_EQ(Ending(*Shell("exit 7")), "exited with status 7");
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

// --- programs that replace themselves ------------------------------------------------------------

class FollowedProcessTest : public ChildProcessTest {
 protected:
  // The first process writes its number, starts `successor`, waits until that one has written its
  // own number, and ends. `first_of_all` is done before the number is written.
  std::string Replaced(const std::string& successor, int status = 0,
                       const std::string& first_of_all = ":") const {
    return absl::StrCat("echo $$ >", first_, "; sh -c '", first_of_all, "; echo $$ >", second_,
                        ".new; mv ", second_, ".new ", second_, "; ", successor, "' & until [ -s ",
                        second_, " ]; do :; done; exit ", status);
  }
  std::unique_ptr<ChildProcess> Follow(const std::string& script) {
    return ChildProcess::StartFollowed({"sh", "-c", script}, log_).value();
  }
  static pid_t Number(const std::string& path) {
    int number = 0;
    while (!absl::SimpleAtoi(absl::StripAsciiWhitespace(ReadFile(path).value_or("")), &number)) {
    }
    return number;
  }
  static bool Gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }
  static void AwaitTheEnd(pid_t pid) {
    while (!Gone(pid)) {
    }
  }

  // For a successor: what ends while the first one lives is the first one's business.
  const std::string await_the_first_ = "while kill -0 $PPID 2>/dev/null; do :; done; ";
  const std::string first_ = dir_.File("first");
  const std::string second_ = dir_.File("second");
};

TEST_F(FollowedProcessTest, ASuccessorTakesThePlaceOfTheFirst) {
  auto child = Follow(Replaced("exec cat /dev/zero >/dev/null"));
  AwaitTheEnd(Number(first_));
  EXPECT_FALSE(child->Exited().has_value());
  const pid_t successor = Number(second_);
  EXPECT_FALSE(Gone(successor));
  child->Stop(absl::Seconds(30));
  EXPECT_EQ(child->Exited().value(), "killed by signal 15");
  EXPECT_TRUE(Gone(successor));
}

TEST_F(FollowedProcessTest, ASuccessorsSuccessorIsFollowedToo) {
  const std::string third = dir_.File("third");
  auto child = Follow(Replaced(absl::StrCat("sh -c \"echo \\$\\$ >", third,
                                            "; exec cat /dev/zero >/dev/null\" & until [ -s ",
                                            third, " ]; do :; done; exit 0")));
  AwaitTheEnd(Number(second_));
  EXPECT_FALSE(child->Exited().has_value());
  const pid_t last = Number(third);
  child->Stop(absl::Seconds(30));
  EXPECT_TRUE(Gone(last));
}

TEST_F(FollowedProcessTest, TheEndOfTheLastIsWhatIsTold) {
  auto child = Follow(Replaced(await_the_first_ + "exit 4"));
  EXPECT_EQ(Ending(*child), "exited with status 4");
  EXPECT_FALSE(child->Succeeded());
}

TEST_F(FollowedProcessTest, AllWithStatus0IsSuccess) {
  auto child = Follow(Replaced(await_the_first_ + "exit 0"));
  EXPECT_EQ(Ending(*child), "exited with status 0");
  EXPECT_TRUE(child->Succeeded());
}

TEST_F(FollowedProcessTest, AFirstThatFailsHasNoSuccessor) {
  auto child = Follow(Replaced("while :; do :; done", 3, "trap \"\" TERM"));
  EXPECT_EQ(Ending(*child), "exited with status 3");
  AwaitTheEnd(Number(second_));
}

TEST_F(FollowedProcessTest, StopKillsASuccessorThatIgnoresSigterm) {
  auto child = Follow(Replaced("while :; do :; done", 0, "trap \"\" TERM"));
  AwaitTheEnd(Number(first_));
  child->Stop(absl::Milliseconds(20));
  EXPECT_EQ(child->Exited().value(), "killed by signal 9");
  AwaitTheEnd(Number(second_));
}

TEST_F(FollowedProcessTest, ASuccessorEndsWhenTheStarterIsKilled) {
  const pid_t starter = fork();
  ASSERT_GE(starter, 0);
  if (starter == 0) {
    auto child = Follow(Replaced("exec cat /dev/zero >/dev/null"));
    while (true) pause();
  }
  AwaitTheEnd(Number(first_));
  const pid_t successor = Number(second_);
  EXPECT_FALSE(Gone(successor));
  kill(starter, SIGKILL);
  waitpid(starter, nullptr, 0);
  AwaitTheEnd(successor);
}

TEST_F(FollowedProcessTest, AKilledKeeperTakesTheProgramWithIt) {
  auto child = Follow(Replaced("exec cat /dev/zero >/dev/null"));
  AwaitTheEnd(Number(first_));
  kill(child->pid(), SIGKILL);
  EXPECT_EQ(Ending(*child), "killed by signal 9");
  AwaitTheEnd(Number(second_));
}

TEST_F(FollowedProcessTest, AProgramThatIsMissingIsAnErrorOfStart) {
  const auto child = ChildProcess::StartFollowed({"/nonexistent/program"}, log_);
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ChildProcessTest, LastLinesKeepsTheEndOfALongLog) {
  ASSERT_TRUE(WriteFile(log_, "1\n2\n3\n4\n", 0600).ok());
  EXPECT_EQ(LastLines(log_, 2), "3\n4");
  EXPECT_EQ(LastLines("/nonexistent", 2), "");
}

}  // namespace
}  // namespace entropyd
