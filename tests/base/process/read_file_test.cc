#include "base/process/read_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class ReadFileTest : public testing::Test {
 protected:
  std::string Written(const std::string& text) {
    std::ofstream(dir_ / "file") << text;
    return dir_ / "file";
  }
  static std::string PathOf(const UniqueFd& fd) { return absl::StrCat("/dev/fd/", fd.get()); }

  const TempDir dir_;
};

TEST_F(ReadFileTest, AFileIsReadWhole) {
  EXPECT_EQ(ReadFileAtMost(Written(""), "read x", 10).value(), "");
  const std::string large(100'000, 'x');
  EXPECT_EQ(ReadFileAtMost(Written(large), "read x", 1 << 20).value(), large);
}

TEST_F(ReadFileTest, NoMoreIsReadThanTheCallerCanUse) {
  EXPECT_EQ(ReadFileAtMost(Written("12345"), "read x", 4).value(), "1234");
  EXPECT_EQ(ReadFileAtMost("/proc/self/maps", "read x", 20'000).value().substr(0, 4).size(), 4u)
      << "a file of the kernel has no size";
}

TEST_F(ReadFileTest, AFileThatIsNotThereOrADirectoryIsNamedWithTheReason) {
  EXPECT_EQ(ReadFileAtMost(dir_ / "none", "read key /k", 10).status(),
            absl::NotFoundError("read key /k: No such file or directory; correct the path"));
  EXPECT_EQ(CannotOpen(EACCES, "read key /k").message(),
            "read key /k: Permission denied; let the user who runs this program read it");
  EXPECT_EQ(ReadFileAtMost(dir_.path(), "read key /k", 10).status().message(),
            "read key /k: it is a directory; give a regular file");
}

// Whoever opens it for reading waits for a writer, who may never come.
TEST_F(ReadFileTest, AFifoIsRefusedAtOnce) {
  ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  const absl::Status refused =
      absl::InvalidArgumentError("read x: it is a FIFO; give a regular file");
  EXPECT_EQ(ReadFileAtMost(dir_ / "fifo", "read x", 10).status(), refused);
  const UniqueFd writer(open((dir_ / "fifo").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(ReadFileAtMost(dir_ / "fifo", "read x", 10).status(), refused);
}

TEST_F(ReadFileTest, ADeviceIsRefused) {
  EXPECT_EQ(ReadFileAtMost("/dev/zero", "read x", 10).status(),
            absl::InvalidArgumentError("read x: it is a device; give a regular file"));
}

TEST_F(ReadFileTest, WhatSomebodyWritesMeanwhileIsNotTakenByHalves) {
  const std::string path = Written(std::string(1 << 20, 'x'));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    while (!stop) EXPECT_EQ(write(file.get(), "x", 1), 1);
  });
  // The writer may pause for the time of a reading, and not for ever.
  absl::Status status;
  while (status.ok()) status = ReadFileAtMost(path, "read x", 8 << 20).status();
  stop = true;
  writer.join();
  EXPECT_EQ(status,
            absl::UnavailableError("read x: somebody writes it; try again when it is whole"));
  EXPECT_TRUE(ReadFileAtMost(path, "read x", 8 << 20).ok());
}

// As of `entropyd --check-config --config <(COMMAND)`. What was in the pipe when its reader came,
// and what comes later, count alike.
TEST_F(ReadFileTest, APipeIsReadUntilItsWriterHasEnded) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  ASSERT_EQ(write(writer.get(), "12345", 5), 5);
  EXPECT_EQ(ReadFileAtMost(PathOf(reader), "read x", 3).value(), "123");
  writer.reset();
  EXPECT_EQ(ReadFileAtMost(PathOf(reader), "read x", 10).value(), "45");
}

}  // namespace
}  // namespace entropyd
