#include "client/process/scratch_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/types/optional.h"
#include "client/process/whole_file.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

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

TEST(ScratchDirTest, WhatIsNoDirectoryIsRefusedAndLeftAlone) {
  ScratchDir outer = ScratchDir::Temporary("scratch-test").value();
  ASSERT_TRUE(WriteFile(outer.File("file"), "y", 0600).ok());
  EXPECT_EQ(ScratchDir::At(outer.File("file")).status(),
            absl::FailedPreconditionError(
                outer.File("file") +
                " is a file; name a directory that is empty, or that does not exist"));
  EXPECT_EQ(ReadFile(outer.File("file")).value(), "y");
}

TEST(ScratchDirTest, OneThatWasMadeGoesAndItsParentMustBeThere) {
  ScratchDir outer = ScratchDir::Temporary("scratch-test").value();
  EXPECT_TRUE(absl::IsNotFound(ScratchDir::At(outer.File("no/such")).status()));
  {
    ScratchDir dir = ScratchDir::At(outer.File("made")).value();
    struct stat info;
    ASSERT_EQ(stat(dir.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
  }
  EXPECT_NE(access(outer.File("made").c_str(), F_OK), 0);
}

TEST(ScratchDirTest, WhatWasMovedFromOrRemovedRemovesNothing) {
  absl::optional<ScratchDir> first = ScratchDir::Temporary("scratch-test").value();
  ScratchDir second = *std::move(first);
  first.reset();
  const std::string path = second.path();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(second.Remove().ok());
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0) << "somebody else's now";
  EXPECT_TRUE(second.Remove().ok());
  EXPECT_EQ(rmdir(path.c_str()), 0);
}

}  // namespace
}  // namespace entropyd
