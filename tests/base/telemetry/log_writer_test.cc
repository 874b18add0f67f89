#include "base/telemetry/log_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

std::string Told(uint64_t count) { return absl::StrCat("told ", count, "\n"); }

std::string ReadAll(int fd) {
  std::string all;
  char buffer[65536];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    all.append(buffer, static_cast<size_t>(n));
  }
  return all;
}

// A writer into a pipe.
class LogWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
  }

  void Start(size_t max_bytes = LogWriter::kMaxBytes) {
    writer_ = std::make_unique<LogWriter>(write_.get(), max_bytes);
  }
  void Put(const std::string& line) { writer_->Put(line, Told); }
  bool Flush() { return writer_->Flush(absl::Seconds(10)); }

  // The pipe takes no byte more.
  void FillPipe() {
    fcntl(write_.get(), F_SETFL, O_NONBLOCK);
    const std::string page(PIPE_BUF, '.');
    while (write(write_.get(), page.data(), page.size()) > 0) filled_ += page.size();
    fcntl(write_.get(), F_SETFL, 0);
  }
  // What came after that.
  std::string End() {
    writer_.reset();
    write_.reset();
    return ReadAll(read_.get()).substr(filled_);
  }

  UniqueFd read_, write_;
  size_t filled_ = 0;
  std::unique_ptr<LogWriter> writer_;
};

TEST_F(LogWriterTest, LinesLeaveInTheOrderInWhichTheyCame) {
  Start();
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    Put(absl::StrCat("line ", i, "\n"));
    absl::StrAppend(&expected, "line ", i, "\n");
  }
  EXPECT_TRUE(Flush());
  EXPECT_EQ(End(), expected);
}

TEST_F(LogWriterTest, LinesThatFindTheQueueFullAreDroppedAndTheNextOneTells) {
  FillPipe();
  Start(20);
  Put("one......\n");
  Put("two......\n");
  Put("three\n");
  Put("four\n");
  EXPECT_EQ(writer_->dropped(), 2u);
  EXPECT_FALSE(writer_->Flush(absl::ZeroDuration()));
  std::string all;
  std::thread reader([&] { all = ReadAll(read_.get()); });
  EXPECT_TRUE(Flush());
  Put("five\n");
  Put("six\n");
  EXPECT_TRUE(Flush());
  writer_.reset();
  write_.reset();
  reader.join();
  EXPECT_EQ(all.substr(filled_), "one......\ntwo......\ntold 2\nfive\nsix\n");
}

TEST_F(LogWriterTest, ALineThatJustFitsIsTaken) {
  FillPipe();
  Start(10);
  Put("123456789\n");
  EXPECT_EQ(writer_->dropped(), 0u);
  Put("\n");
  EXPECT_EQ(writer_->dropped(), 1u);
}

TEST_F(LogWriterTest, WhatIsUntoldIsToldOnDemandAndOnce) {
  FillPipe();
  Start(10);
  Put("too long to be taken\n");
  writer_->Tell(Told);
  writer_->Tell(Told);
  std::string all;
  std::thread reader([&] { all = ReadAll(read_.get()); });
  EXPECT_TRUE(Flush());
  writer_.reset();
  write_.reset();
  reader.join();
  EXPECT_EQ(all.substr(filled_), "told 1\n");
}

TEST_F(LogWriterTest, ItsEndDoesNotWaitForAReader) {
  FillPipe();
  Start();
  Put("never read\n");
  const absl::Time start = absl::Now();
  writer_.reset();
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(900));
}

TEST_F(LogWriterTest, AReaderThatHasGoneLosesLinesAndNothingElse) {
  Start();
  read_.reset();
  for (int i = 0; i < 3; ++i) Put("lost\n");
  EXPECT_TRUE(Flush());
  EXPECT_EQ(writer_->dropped(), 3u);
}

TEST_F(LogWriterTest, AClosedDescriptorLosesLinesAndNothingElse) {
  for (const int fd : {-1, 1'000'000}) {
    LogWriter writer(fd);
    writer.Put("lost\n", Told);
    EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
    EXPECT_EQ(writer.dropped(), 1u);
  }
}

TEST_F(LogWriterTest, ADescriptorThatDoesNotBlockLosesNothing) {
  FillPipe();
  fcntl(write_.get(), F_SETFL, O_NONBLOCK);
  Start();
  const std::string line = std::string(3 * PIPE_BUF, 'x') + "\n";
  for (int i = 0; i < 10; ++i) Put(line);
  std::string all;
  std::thread reader([&] { all = ReadAll(read_.get()); });
  EXPECT_TRUE(Flush());
  writer_.reset();
  write_.reset();
  reader.join();
  EXPECT_EQ(all.size() - filled_, 10 * line.size());
}

TEST_F(LogWriterTest, ASocketIsServedLikeAPipe) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  read_ = UniqueFd(ends[0]);
  write_ = UniqueFd(ends[1]);
  Start();
  const std::string line = std::string(999, 'x') + "\n";
  for (int i = 0; i < 1'000; ++i) Put(line);
  std::string all;
  std::thread reader([&] { all = ReadAll(read_.get()); });
  EXPECT_TRUE(Flush());
  writer_.reset();
  write_.reset();
  reader.join();
  EXPECT_EQ(all.size(), 1'000 * line.size());
}

// /dev/full is a disk without room.
TEST_F(LogWriterTest, AFullDiskLosesLinesAndNothingElse) {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  LogWriter writer(full.get());
  writer.Put("lost\n", Told);
  writer.Put("lost\n", Told);
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  EXPECT_EQ(writer.dropped(), 2u);
}

// Nor are they forgotten when the line that should tell them is lost, too.
TEST_F(LogWriterTest, LostLinesAreToldByTheFirstThatGetsThrough) {
  char path[] = "/tmp/log_writer_test.XXXXXX";
  const UniqueFd file(mkstemp(path));
  ASSERT_TRUE(file);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  LogWriter writer(file.get());
  for (int i = 0; i < 3; ++i) {
    writer.Put("lost\n", Told);
    EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  writer.Put("whole\n", Told);
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  lseek(file.get(), 0, SEEK_SET);
  EXPECT_EQ(ReadAll(file.get()), "told 3\nwhole\n");
  unlink(path);
}

// A file that may not grow stands for a disk that is full in the middle of a line.
TEST_F(LogWriterTest, AfterALineThatWasCutTheNextOneBeginsAnew) {
  char path[] = "/tmp/log_writer_test.XXXXXX";
  const UniqueFd file(mkstemp(path));
  ASSERT_TRUE(file);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 6;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  LogWriter writer(file.get());
  writer.Put("cut here\n", Told);
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(writer.dropped(), 1u);
  writer.Put("whole\n", Told);
  EXPECT_TRUE(writer.Flush(absl::Seconds(10)));
  lseek(file.get(), 0, SEEK_SET);
  EXPECT_EQ(ReadAll(file.get()), "cut he\ntold 1\nwhole\n");
  unlink(path);
}

}  // namespace
}  // namespace entropyd
