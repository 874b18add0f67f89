#include "server/driver/file_rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace entropyd {
namespace {

struct stat FileOf(uid_t user, gid_t group, mode_t mode) {
  struct stat file = {};
  file.st_uid = user;
  file.st_gid = group;
  file.st_mode = S_IFREG | mode;
  return file;
}

constexpr uid_t kStranger = 4711;

TEST(FileRightsTest, RootAndOurselvesAreNobodyElse) {
  for (const uid_t user : {uid_t{0}, geteuid()}) {
    for (const gid_t group : {gid_t{0}, getegid()}) {
      EXPECT_EQ(WhoElseMayWrite(FileOf(user, group, 0775)), "");
      EXPECT_EQ(WhoElseMayRead(FileOf(user, group, 0770)), "");
    }
  }
}

TEST(FileRightsTest, AStrangerWhoOwnsAFileHasEveryRight) {
  EXPECT_EQ(WhoElseMayWrite(FileOf(kStranger, 0, 0400)), "its owner, user 4711,");
  EXPECT_EQ(WhoElseMayRead(FileOf(kStranger, 0, 0000)), "its owner, user 4711,");
}

TEST(FileRightsTest, EachRightHasItsOwnBits) {
  EXPECT_EQ(WhoElseMayWrite(FileOf(0, kStranger, 0644)), "");
  EXPECT_EQ(WhoElseMayRead(FileOf(0, kStranger, 0640)), "group 4711");
  EXPECT_EQ(WhoElseMayWrite(FileOf(0, kStranger, 0620)), "group 4711");
  EXPECT_EQ(WhoElseMayRead(FileOf(0, kStranger, 0620)), "");
  EXPECT_EQ(WhoElseMayRead(FileOf(0, 0, 0604)), "everybody");
  EXPECT_EQ(WhoElseMayWrite(FileOf(0, 0, 0604)), "");
  EXPECT_EQ(WhoElseMayWrite(FileOf(0, 0, 0602)), "everybody");
}

TEST(FileRightsTest, AFileThatCannotBeUsedHasARemedyForEachReason) {
  const auto said = [](int error) {
    return std::string(CannotUse(error, "open /dev/hwrng", "/dev/hwrng").message());
  };
  EXPECT_EQ(said(ENOENT),
            "open /dev/hwrng: No such file or directory; correct the path, or plug in "
            "what belongs there");
  EXPECT_THAT(said(EACCES), testing::HasSubstr("Permission denied; let the server's user use it"));
  EXPECT_THAT(said(EACCES), testing::HasSubstr("SupplementaryGroups="));
  EXPECT_THAT(said(EPERM), testing::HasSubstr("not permitted; add DeviceAllow=/dev/hwrng rw"));
  EXPECT_EQ(said(EIO), "open /dev/hwrng: Input/output error");
}

TEST(FileRightsTest, WhetherAFileCanBeOpenedItsRightsTell) {
  EXPECT_TRUE(CheckAccess("/dev/null", R_OK | W_OK, "open").ok());
  EXPECT_TRUE(absl::IsNotFound(CheckAccess("/dev/no-such", R_OK, "open")));
}

}  // namespace
}  // namespace entropyd
