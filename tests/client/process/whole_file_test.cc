#include "client/process/whole_file.h"

#include <sys/stat.h>

#include <string>

#include "absl/strings/match.h"
#include "client/process/scratch_dir.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class WholeFileTest : public testing::Test {
 protected:
  mode_t Mode() {
    struct stat info = {};
    EXPECT_EQ(stat(path_.c_str(), &info), 0);
    return info.st_mode & 0777;
  }

  const ScratchDir dir_ = ScratchDir::Temporary("whole-file-test").value();
  const std::string path_ = dir_.File("x");
};

TEST_F(WholeFileTest, WhatIsWrittenIsRead) {
  const std::string large = std::string(200'000, 'x') + std::string("\0\n", 2);
  for (const std::string& text : {large, std::string("short"), std::string()}) {
    ASSERT_TRUE(WriteFile(path_, text, 0600).ok());
    EXPECT_EQ(ReadFile(path_).value(), text) << "nothing of the file before it is left";
  }
}

TEST_F(WholeFileTest, ANewFileGetsTheModeAndAnExistingOneKeepsIts) {
  ASSERT_TRUE(WriteFile(path_, "a", 0600).ok());
  EXPECT_EQ(Mode(), 0600u);
  ASSERT_TRUE(WriteFile(path_, "b", 0640).ok());
  EXPECT_EQ(Mode(), 0600u);
}

TEST_F(WholeFileTest, WhatCannotBeOpenedIsAnErrorWithThePath) {
  const std::string missing = dir_.File("no/such");
  for (const absl::Status& status : {WriteFile(missing, "a", 0600), ReadFile(missing).status()}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), missing)) << status;
  }
}

TEST_F(WholeFileTest, ADeviceThatIsFullAndADirectoryAreErrors) {
  EXPECT_FALSE(WriteFile("/dev/full", "a", 0600).ok());
  EXPECT_FALSE(WriteFile(dir_.path(), "a", 0600).ok());
  EXPECT_FALSE(ReadFile(dir_.path()).ok());
}

TEST_F(WholeFileTest, ADirectoryIsToldAsOne) {
  EXPECT_EQ(ReadFile("/").status(),
            absl::InvalidArgumentError("read /: it is a directory; give a file"));
}

}  // namespace
}  // namespace entropyd
