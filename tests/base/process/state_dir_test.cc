#include "base/process/state_dir.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

TEST(StateDirTest, IsAnAbsoluteDirectoryThatMayNotBeThereYet) {
  EXPECT_TRUE(CheckStateDir("/").ok());
  EXPECT_TRUE(CheckStateDir("/nonexistent/state").ok());
  for (const char* path : {"", "state", "./state"}) {
    const absl::Status status = CheckStateDir(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(status.message(), "'" + std::string(path) + "' is not an absolute path");
  }
}

TEST(StateDirTest, IsNoFileAndLeadsThroughNone) {
  const TempDir dir;
  const std::string file = dir / "file";
  ASSERT_TRUE(std::ofstream(file).good());
  for (const std::string& path : {file, file + "/state"}) {
    const absl::Status status = CheckStateDir(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(status.message(), "'" + path + "' is a file, or leads through one; name a directory");
  }
}

TEST(StateDirTest, IsNowhereWhereNoFileCanBe) {
  for (const char* path : {"/proc", "/proc/entropyd/state"}) {
    const absl::Status status = CheckStateDir(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("cannot be kept in /proc: "));
  }
}

TEST(StateDirTest, IsNotBehindALinkThatLeadsNowhere) {
  const TempDir dir;
  const std::string link = dir / "link";
  std::filesystem::create_symlink(dir / "none", link);
  for (const std::string& path : {link, link + "/state"}) {
    const absl::Status status = CheckStateDir(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(status.message(),
              "'" + path + "': " + link + " is a link that leads nowhere; make what it leads to");
    EXPECT_FALSE(MakeStateDir(path).ok()) << path;
  }
  std::filesystem::create_directory(dir / "none");
  EXPECT_TRUE(CheckStateDir(link).ok());
  EXPECT_TRUE(MakeStateDir(link + "/state").ok());
}

TEST(StateDirTest, IsMadeWithAllThatItStandsInAndIsItsOwnersAlone) {
  const TempDir dir;
  const std::string path = dir / "several/that/are/missing";
  EXPECT_TRUE(CheckStateDir(path).ok());
  EXPECT_TRUE(MakeStateDir(path).ok());
  EXPECT_TRUE(MakeStateDir(path).ok()) << "it may be there";
  EXPECT_TRUE(MakeStateDir(dir / "slash/").ok());
  for (const std::string& made : {path, dir / "slash"}) {
    EXPECT_EQ(std::filesystem::status(made).permissions(), std::filesystem::perms::owner_all);
  }
}

TEST(StateDirTest, ThatCannotBeMadeIsSaidWithARemedy) {
  const TempDir dir;
  const std::string file = dir / "file";
  ASSERT_TRUE(std::ofstream(file).good());
  EXPECT_THAT(std::string(MakeStateDir("/proc/entropyd/state").message()),
              testing::StartsWith("create state_dir /proc/entropyd/state: "));
  for (const std::string& path : {file, file + "/state", std::string("/proc/entropyd/state")}) {
    EXPECT_THAT(std::string(MakeStateDir(path).message()),
                testing::HasSubstr("; let the user who runs this program write there"));
  }
}

TEST(StateDirTest, ALookLeavesNothingBehind) {
  const TempDir dir;
  EXPECT_TRUE(CheckStateDir(dir.path()).ok());
  EXPECT_TRUE(CheckStateDir(dir / "not/yet").ok());
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(StateDirTest, BelongsToOneProcessAtATime) {
  const TempDir dir;
  absl::StatusOr<UniqueFd> mine = LockStateDir(dir.path());
  ASSERT_TRUE(mine.ok() && *mine);
  const absl::Status other = LockStateDir(dir.path()).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(other.message()),
              testing::HasSubstr("use state_dir " + dir.path() + ": another process uses it"));
  mine->reset();
  EXPECT_TRUE(LockStateDir(dir.path()).ok());
}

TEST(StateDirTest, ADirectoryThatCannotBeLockedIsNobodys) {
  absl::StatusOr<UniqueFd> lock = LockStateDir("/nonexistent/state");
  ASSERT_TRUE(lock.ok());
  EXPECT_FALSE(*lock);
}

TEST(StateDirTest, OnlyAFileWithoutAByteIsEmpty) {
  TempDir dir;
  EXPECT_FALSE(IsEmptyFile(dir / "none"));
  EXPECT_FALSE(IsEmptyFile(dir.path()));
  std::ofstream file(dir / "file");
  file.flush();
  EXPECT_TRUE(IsEmptyFile(dir / "file"));
  file << "\n" << std::flush;
  EXPECT_FALSE(IsEmptyFile(dir / "file"));
}

}  // namespace
}  // namespace entropyd
