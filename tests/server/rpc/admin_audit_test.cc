#include "server/rpc/admin_audit.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/clock.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fake_log.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AdminAuditTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<AdminAudit>> Open(LogFormat format = LogFormat::kLogfmt) {
    return AdminAudit::Open(path_, format, &clock_, &log_);
  }
  // The file's lines, once every audit is closed.
  std::vector<std::string> Lines() const { return LinesOf(path_); }
  static std::vector<std::string> LinesOf(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  const TempDir dir_;
  std::string path_ = dir_ / "audit.log";
  ManualClock clock_;
  FakeLog log_{&clock_};
  const AdminAudit::Action reset_ = {.call = "ResetSource",
                                     .by = "spiffe://test/operator",
                                     .peer = "ipv4:192.0.2.1:4",
                                     .target = "trng",
                                     .before = "latched",
                                     .after = "healthy"};
};

TEST_F(AdminAuditTest, ALineTellsWhoDidWhatToWhatEnd) {
  Open().value()->Tell(reset_, absl::OkStatus());
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr(
                           "event=admin.call call=ResetSource by=spiffe://test/operator "
                           "peer=ipv4:192.0.2.1:4 target=trng before=latched after=healthy "
                           "outcome=OK")));
  EXPECT_THAT(log_.events(), ElementsAre("admin.call"));
}

TEST_F(AdminAuditTest, AFailureIsToldWithItsReason) {
  Open().value()->Tell(reset_, absl::NotFoundError("no source 'trng'"));
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr("outcome=\"NOT_FOUND: no source 'trng'\"")));
}

TEST_F(AdminAuditTest, TheFileIsAppendedToAndForItsOwnerOnly) {
  Open().value()->Tell(reset_, absl::OkStatus());
  Open().value()->Tell(reset_, absl::OkStatus());
  EXPECT_EQ(Lines().size(), 2u);
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(AdminAuditTest, ARotationByRenameMakesTheNextLineTheFirstOfANewFile) {
  const std::string first = dir_ / "audit.log.1", second = dir_ / "audit.log.2";
  {
    const std::unique_ptr<AdminAudit> audit = Open(LogFormat::kJson).value();
    for (int i = 0; i < 2; ++i) audit->Tell(reset_, absl::OkStatus());
    ASSERT_EQ(rename(path_.c_str(), first.c_str()), 0);
    audit->Tell(reset_, absl::NotFoundError("second file"));
    audit->Tell(reset_, absl::OkStatus());
    ASSERT_EQ(rename(path_.c_str(), second.c_str()), 0);
    std::ofstream(path_).close();  // as logrotate's "create"
    audit->Tell(reset_, absl::NotFoundError("third file"));
  }
  EXPECT_THAT(LinesOf(first), ElementsAre(HasSubstr("OK"), HasSubstr("OK")));
  EXPECT_THAT(LinesOf(second), ElementsAre(HasSubstr("second file"), HasSubstr("OK")));
  EXPECT_THAT(Lines(), ElementsAre(AllOf(HasSubstr("third file"), HasSubstr("\"event\":"))))
      << "in the same format";
  EXPECT_EQ(log_.events().size(), 5u) << "the log tells nothing else";
  struct stat info = {};
  ASSERT_EQ(stat(second.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(AdminAuditTest, ALineDoesNotOpenTheFileAgain) {
  const std::unique_ptr<AdminAudit> audit = Open().value();
  const UniqueFd watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  ASSERT_GE(inotify_add_watch(watch.get(), path_.c_str(), IN_OPEN), 0);
  audit->Tell(reset_, absl::OkStatus());
  audit->Tell(reset_, absl::OkStatus());
  char events[256];
  EXPECT_EQ(read(watch.get(), events, sizeof events), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(AdminAuditTest, ARotationByCopyGoesOnInTheSameFile) {
  {
    const std::unique_ptr<AdminAudit> audit = Open().value();
    audit->Tell(reset_, absl::OkStatus());
  }
  const std::unique_ptr<AdminAudit> audit = Open().value();
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  audit->Tell(reset_, absl::NotFoundError("after it"));
  struct stat before = {}, after = {};
  ASSERT_EQ(stat(path_.c_str(), &before), 0);
  audit->Tell(reset_, absl::OkStatus());
  ASSERT_EQ(stat(path_.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(AdminAuditTest, WithoutANewFileTheOldOneHasTheLinesAndTheLogSaysSo) {
  const std::string old = dir_ / "old";
  {
    const std::unique_ptr<AdminAudit> audit = Open().value();
    ASSERT_EQ(rename(path_.c_str(), old.c_str()), 0);
    ASSERT_EQ(symlink("/dev/null", path_.c_str()), 0);
    audit->Tell(reset_, absl::OkStatus());
    EXPECT_THAT(log_.events(), ElementsAre("admin.call", "audit.failed"));
    ASSERT_EQ(unlink(path_.c_str()), 0);
    audit->Tell(reset_, absl::NotFoundError("a new one"));
  }
  EXPECT_THAT(LinesOf(old), ElementsAre(HasSubstr("outcome=OK")));
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr("a new one")));
}

TEST_F(AdminAuditTest, WhatACallerSaysCannotForgeALine) {
  AdminAudit::Action action = reset_;
  action.target = "trng\nevent=admin.call by=somebody";
  Open().value()->Tell(action, absl::OkStatus());
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr("target=\"trng\\nevent=admin.call by=somebody\"")));
}

TEST_F(AdminAuditTest, TheFileHasTheFormatOfTheLog) {
  Open(LogFormat::kJson).value()->Tell(reset_, absl::OkStatus());
  EXPECT_THAT(Lines(), ElementsAre(AllOf(HasSubstr("\"by\":\"spiffe://test/operator\""),
                                         HasSubstr("\"outcome\":\"OK\""))));
}

TEST_F(AdminAuditTest, ACallIsToldOnceAndAsItWasAtItsEnd) {
  {
    const std::unique_ptr<AdminAudit> audit = Open().value();
    const AuditedCall call(audit.get(), reset_);
    const AuditedCall same = call;
    same.action()->after = "starting";
    EXPECT_THAT(log_.events(), ElementsAre()) << "it has not ended";
    EXPECT_TRUE(absl::IsNotFound(call.End(absl::NotFoundError("no source"))));
    EXPECT_TRUE(same.End(absl::OkStatus()).ok());
    EXPECT_TRUE(call.End(absl::OkStatus()).ok());
  }
  EXPECT_THAT(Lines(), ElementsAre(AllOf(HasSubstr("after=starting"),
                                         HasSubstr("outcome=\"NOT_FOUND: no source\""))));
  EXPECT_THAT(log_.events(), ElementsAre("admin.call"));
}

TEST_F(AdminAuditTest, WithoutAFileTheLogHasTheLines) {
  path_ = "";
  Open().value()->Tell(reset_, absl::OkStatus());
  EXPECT_THAT(log_.events(), ElementsAre("admin.call"));
}

TEST_F(AdminAuditTest, AFileThatCannotBeWrittenIsAnError) {
  path_ = dir_ / "none/audit.log";
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("none/audit.log: No such file"));
}

TEST_F(AdminAuditTest, WhatIsNoFileIsRefusedByTheCheckAndByTheStart) {
  ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("/dev/null", (dir_ / "link").c_str()), 0);
  const std::pair<std::string, const char*> refused[] = {{dir_ / "fifo", "a FIFO"},
                                                         {dir_ / "link", "a link"},
                                                         {dir_.path(), "a directory"},
                                                         {"/dev/null", "no regular file"}};
  for (const auto& [path, kind] : refused) {
    const std::string expected = absl::StrCat("'", path, "' is ", kind, "; name a file, which is ",
                                              "made when it is missing, or remove it");
    path_ = path;
    EXPECT_EQ(Open().status().message(), expected);
    EXPECT_EQ(AdminAudit::Check(path).message(), expected);
  }
  const std::string file = dir_ / "audit.log";
  EXPECT_TRUE(AdminAudit::Check(file).ok());
  EXPECT_FALSE(std::ifstream(file).good()) << "a check makes nothing";
  std::ofstream(file) << "a line of before\n";
  EXPECT_TRUE(AdminAudit::Check(file).ok());
}

}  // namespace
}  // namespace entropyd
