#include "base/process/ports_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class PortsFile : public ::testing::Test {
 protected:
  std::string Read(const std::string& name = "/ports") {
    std::ifstream in(folder_ + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  const TempDir dir_;
  const std::string folder_ = dir_.path();
};

TEST_F(PortsFile, HoldsOneLineAPortAndLeavesOutWhatIsNotBound) {
  ASSERT_TRUE(WritePortsFile(folder_ + "/ports", {{"grpc", 7743}, {"http", 0}}).ok());
  EXPECT_EQ(Read(), "grpc=7743\n");
}

TEST_F(PortsFile, ReplacesAnOlderOne) {
  ASSERT_TRUE(WritePortsFile(folder_ + "/ports", {{"grpc", 1}, {"http", 2}}).ok());
  ASSERT_TRUE(WritePortsFile(folder_ + "/ports", {{"http", 3}}).ok());
  EXPECT_EQ(Read(), "http=3\n");
}

TEST_F(PortsFile, NeverReplacesADevice) {
  ASSERT_EQ(mkfifo((folder_ + "/ports").c_str(), 0600), 0);
  const absl::Status status = WritePortsFile(folder_ + "/ports", {{"http", 3}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  struct stat there;
  ASSERT_EQ(stat((folder_ + "/ports").c_str(), &there), 0);
  EXPECT_TRUE(S_ISFIFO(there.st_mode));
}

TEST_F(PortsFile, NamesTheFolderThatIsMissing) {
  const absl::Status status = WritePortsFile(folder_ + "/none/ports", {{"http", 3}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "--ports-file: write " + folder_ +
                                  "/none/ports: No such file or directory; name a file in a "
                                  "directory that is there, and that this user may write");
}

TEST_F(PortsFile, NothingIsWrittenThroughALinkOrIntoAFifo) {
  const std::string other = folder_ + "/other";
  ASSERT_TRUE(WritePortsFile(other, {{"http", 1}}).ok());
  std::filesystem::create_symlink(other, folder_ + "/ports.new");
  std::filesystem::create_symlink(other, folder_ + "/ports");
  ASSERT_TRUE(WritePortsFile(folder_ + "/ports", {{"http", 2}}).ok());
  EXPECT_EQ(Read(), "http=2\n");
  EXPECT_EQ(Read("/other"), "http=1\n");
  ASSERT_EQ(mkfifo((folder_ + "/ports.new").c_str(), 0600), 0);
  ASSERT_TRUE(WritePortsFile(folder_ + "/ports", {{"http", 3}}).ok());
  EXPECT_EQ(Read(), "http=3\n");
}

}  // namespace
}  // namespace entropyd
