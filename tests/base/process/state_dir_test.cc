#include "base/process/state_dir.h"

#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"

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
  char file[] = "/tmp/state_dir_test.XXXXXX";
  const int fd = mkstemp(file);
  ASSERT_GE(fd, 0);
  close(fd);
  for (const std::string& path : {std::string(file), std::string(file) + "/state"}) {
    const absl::Status status = CheckStateDir(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(status.message(), "'" + path + "' is a file, or leads through one; name a directory");
  }
  unlink(file);
}

}  // namespace
}  // namespace entropyd
