#include "client/process/safe_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kSomebody = 65534;

// A directory with another in it, and a file there.
class SafeDirectoryTest : public ::testing::Test {
 protected:
  SafeDirectoryTest() {
    std::filesystem::create_directories(dir / "a/b");
    std::ofstream(dir / "a/b/file") << "text";
    Mode("a", 0755);
    Mode("a/b", 0755);
    Mode("a/b/file", 0644);
  }

  void Mode(const std::string& name, mode_t mode) { chmod((dir / name).c_str(), mode); }
  std::string Open(const std::string& name, Missing missing = Missing::kIsAnError) {
    return std::string(OpenSafeDirectory(dir / name, missing).status().message());
  }
  std::string File(const std::string& name) {
    return std::string(CheckSafeFile(dir / name).message());
  }

  const TempDir dir;
};

TEST_F(SafeDirectoryTest, TakesWhatOnlyWeMayWrite) {
  EXPECT_EQ(Open("a/b"), "");
  EXPECT_EQ(Open("a/b/"), "");
  EXPECT_EQ(File("a/b/file"), "");
}

TEST_F(SafeDirectoryTest, RefusesADirectoryThatOthersMayWriteWhereverItIs) {
  for (const char* open : {"a", "a/b"}) {
    for (const mode_t mode : {0777, 0757}) {
      Mode(open, mode);
      EXPECT_EQ(Open("a/b"), absl::StrCat(dir / open, " may be written by others"));
      EXPECT_EQ(File("a/b/file"), absl::StrCat(dir / open, " may be written by others"));
    }
    Mode(open, 0755);
  }
}

TEST_F(SafeDirectoryTest, AStickyDirectoryMayBePassedAndIsNotWhereToEnd) {
  Mode("a", 01777);
  EXPECT_EQ(Open("a/b"), "");
  EXPECT_THAT(Open("a"), HasSubstr("may be written by others"));
  EXPECT_THAT(Open("a/new/inner", Missing::kIsMade), HasSubstr("/a may be written by others"));
  EXPECT_FALSE(std::filesystem::exists(dir / "a/new"));
}

TEST_F(SafeDirectoryTest, FollowsNoLink) {
  std::filesystem::create_symlink(dir / "a", dir / "link");
  std::filesystem::create_symlink(dir / "a/b/file", dir / "a/link");
  EXPECT_EQ(Open("link/b"), absl::StrCat(dir / "link", " is a link"));
  EXPECT_EQ(Open("link"), absl::StrCat(dir / "link", " is a link"));
  EXPECT_EQ(File("link/b/file"), absl::StrCat(dir / "link", " is a link"));
  EXPECT_EQ(File("a/link"), absl::StrCat(dir / "a/link", " is no file"));
}

TEST_F(SafeDirectoryTest, RefusesWhatBelongsToSomebodyElse) {
  ASSERT_EQ(chown((dir / "a/b/file").c_str(), kSomebody, kSomebody), 0);
  EXPECT_EQ(File("a/b/file"), absl::StrCat(dir / "a/b/file", " belongs to user 65534"));
  EXPECT_EQ(Open("a/b"), "");
  ASSERT_EQ(chown((dir / "a").c_str(), kSomebody, kSomebody), 0);
  EXPECT_EQ(Open("a/b"), absl::StrCat(dir / "a", " belongs to user 65534"));
}

TEST_F(SafeDirectoryTest, AFileThatOthersMayWriteIsNotSafe) {
  Mode("a/b/file", 0646);
  EXPECT_EQ(File("a/b/file"), absl::StrCat(dir / "a/b/file", " may be written by others"));
}

TEST_F(SafeDirectoryTest, MakesWhatIsMissingOnlyWhenAsked) {
  EXPECT_THAT(Open("new/inner"), HasSubstr("/new: No such file or directory"));
  EXPECT_EQ(Open("new/inner", Missing::kIsMade), "");
  struct stat made;
  ASSERT_EQ(stat((dir / "new/inner").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0755);
  EXPECT_THAT(Open("a/b/file/x", Missing::kIsMade), HasSubstr("/a/b/file is no directory"));
}

TEST_F(SafeDirectoryTest, ARelativePathLeadsNowhere) {
  EXPECT_THAT(std::string(OpenSafeDirectory("a", Missing::kIsMade).status().message()),
              HasSubstr("a is not an absolute path"));
}

}  // namespace
}  // namespace entropyd
