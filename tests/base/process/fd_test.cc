#include "base/process/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

int OpenNull() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFdTest, ClosesWhatItHolds) {
  int raw = OpenNull();
  ASSERT_GE(raw, 0);
  {
    UniqueFd fd(raw);
    EXPECT_TRUE(fd);
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFdTest, MoveAssignmentClosesTheOldOne) {
  int first = OpenNull();
  int second = OpenNull();
  UniqueFd a(first);
  UniqueFd b(second);
  a = std::move(b);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_EQ(a.get(), second);
  EXPECT_FALSE(b);  // NOLINT(bugprone-use-after-move): the promise under test
}

TEST(UniqueFdTest, ReleaseKeepsItOpen) {
  int raw = OpenNull();
  { EXPECT_EQ(UniqueFd(raw).release(), raw); }
  EXPECT_TRUE(IsOpen(raw));
  close(raw);
}

TEST(UniqueFdTest, ClosingLeavesErrnoAlone) {
  UniqueFd already_closed(OpenNull());
  close(already_closed.get());
  errno = ENOENT;
  already_closed.reset();  // fails with EBADF
  EXPECT_EQ(errno, ENOENT);
}

TEST(ErrnoStatusTest, CodesTellTheCallerWhatToDo) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EACCES, "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EADDRINUSE, "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrnoStatus(EMFILE, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ECONNREFUSED, "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrnoStatus(EIO, "x").code(), absl::StatusCode::kInternal);
}

TEST(ErrnoStatusTest, MessageNamesVerbAndReason) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "open /dev/hwrng").message(),
            "open /dev/hwrng: No such file or directory");
}

TEST(StandardFdsTest, ClosedOnesAreOpenedSoThatNoFileGetsTheirNumber) {
  const auto program = [] {
    close(STDIN_FILENO);
    close(STDERR_FILENO);
    OpenStandardFds();
    _exit(IsOpen(STDIN_FILENO) && IsOpen(STDERR_FILENO) && OpenNull() > STDERR_FILENO ? 0 : 1);
  };
  EXPECT_EXIT(program(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace entropyd
