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
