#include "base/process/state_dir.h"

#include <fstream>
#include <string>

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

}  // namespace
}  // namespace entropyd
