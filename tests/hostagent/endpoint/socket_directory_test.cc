#include "hostagent/endpoint/socket_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SocketDirectoryTest : public testing::Test {
 protected:
  std::string Make(const std::string& name, mode_t mode) {
    const std::string directory = dir_ / name;
    EXPECT_EQ(mkdir(directory.c_str(), 0700), 0);
    EXPECT_EQ(chmod(directory.c_str(), mode), 0);
    return directory;
  }
  static absl::Status Check(const std::string& directory) {
    return CheckSocketDirectory(directory + "/egd.sock");
  }

  TempDir dir_;
};

TEST_F(SocketDirectoryTest, WhereNobodyElseMayWriteIsSafe) {
  EXPECT_TRUE(Check(Make("a", 0755)).ok());
  EXPECT_TRUE(Check(Make("b", 0700)).ok());
  EXPECT_TRUE(Check("/tmp").ok()) << "files of others stay where they are";
  EXPECT_TRUE(Check("/run").ok());
  EXPECT_TRUE(Check(dir_ / "none").ok()) << "it is made";
}

TEST_F(SocketDirectoryTest, WhereOthersMayWriteIsRefusedWithTheRemedy) {
  const std::string all = Make("all", 0777);
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(all)));
  EXPECT_THAT(Check(all).message(), AllOf(HasSubstr(all), HasSubstr("chmod go-w")));
  EXPECT_TRUE(Check(Make("sticky", 01777)).ok());
}

TEST_F(SocketDirectoryTest, TheGroupsThatMayWriteAreOthers) {
  const std::string group = Make("group", 0775);
  ASSERT_EQ(geteuid(), 0u) << "run the test as root";
  ASSERT_EQ(chown(group.c_str(), 0, 107), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(group)));
  ASSERT_EQ(chown(group.c_str(), 0, 0), 0);
  EXPECT_TRUE(Check(group).ok()) << "root's own";
}

TEST_F(SocketDirectoryTest, WhoeverOwnsItMayWrite) {
  ASSERT_EQ(geteuid(), 0u) << "run the test as root";
  const std::string theirs = Make("theirs", 0755);
  ASSERT_EQ(chown(theirs.c_str(), 107, 0), 0);
  EXPECT_THAT(Check(theirs).message(), HasSubstr("belongs to user 107"));
}

// Whoever may write above may put another directory in its place.
TEST_F(SocketDirectoryTest, WhatIsAboveCountsAndSoDoesWhereALinkLeads) {
  const std::string open = Make("open", 0777);
  const std::string below = open + "/below";
  ASSERT_EQ(mkdir(below.c_str(), 0755), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(below)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(open + "/none/either")));
  ASSERT_EQ(symlink(below.c_str(), (dir_ / "link").c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(dir_ / "link")));
}

// Whoever may write where a link lies may let it lead elsewhere.
TEST_F(SocketDirectoryTest, ALinkOnTheWayLiesWhereNobodyElseMayWrite) {
  const std::string open = Make("open", 0777), safe = Make("safe", 0755);
  const auto link = [](const std::string& to, const std::string& at) {
    ASSERT_EQ(symlink(to.c_str(), at.c_str()), 0) << at;
    ASSERT_TRUE(geteuid() != 0 || lchown(at.c_str(), 0, 0) == 0);
  };
  link(safe, open + "/link");
  EXPECT_THAT(Check(open + "/link").message(), HasSubstr(open + " may be written by others"));
  link(open + "/link", dir_ / "far");
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(dir_ / "far"))) << "a link on the way of a link";
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(open + "/../safe"))) << "it may become a link";
  link("safe", dir_ / "near");
  EXPECT_TRUE(Check(dir_ / "near").ok());
  link("safe/", dir_ / "slash");
  EXPECT_TRUE(Check(dir_ / "slash").ok());
  link("safe/../open", dir_ / "up");
  EXPECT_TRUE(absl::IsFailedPrecondition(Check(dir_ / "up")));
  link("round", dir_ / "round");
  EXPECT_TRUE(Check(dir_ / "round").ok()) << "whoever opens the file is told";
}

// Its owner may replace it, and nobody else may.
TEST_F(SocketDirectoryTest, ALinkInASharedDirectoryIsItsOwners) {
  const std::string shared = Make("shared", 01777), safe = Make("safe", 0755);
  const std::string link = shared + "/link";
  ASSERT_EQ(symlink(safe.c_str(), link.c_str()), 0);
  EXPECT_TRUE(Check(link).ok());
  ASSERT_EQ(geteuid(), 0u) << "run the test as root";
  ASSERT_EQ(lchown(link.c_str(), 107, 107), 0);
  EXPECT_THAT(Check(link).message(), HasSubstr("the link " + link + " belongs to user 107"));
}

TEST_F(SocketDirectoryTest, WhereOthersMayWriteNoDirectoryIsMade) {
  const std::string open = Make("open", 0777);
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeSafeDirectoryOf(open + "/new/egd.sock")));
  EXPECT_NE(access((open + "/new").c_str(), F_OK), 0);
  EXPECT_TRUE(MakeSafeDirectoryOf(dir_ / "new/egd.sock").ok());
  EXPECT_EQ(access((dir_ / "new").c_str(), F_OK), 0);
}

TEST_F(SocketDirectoryTest, ADirectoryIsMadeWithTheModeThatGuestsNeed) {
  const mode_t before = umask(0077);
  EXPECT_TRUE(MakeDirectoryOf(dir_ / "new/class/egd.sock").ok());
  umask(before);
  for (const char* const made : {"new", "new/class"}) {
    struct stat found;
    ASSERT_EQ(stat((dir_ / made).c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0755u) << made;
  }
  EXPECT_TRUE(MakeDirectoryOf(dir_ / "new/class/egd.sock").ok());
  EXPECT_FALSE(MakeDirectoryOf("/proc/none/egd.sock").ok());
}

}  // namespace
}  // namespace entropyd
