// Real pipes and a real event loop: a feed on a class of its own, then a host and its successor.
#include "hostagent/feed/fifo_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/endpoint/socket_directory.h"
#include "tests/hostagent/feed/feed_rig.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Reader {
 public:
  explicit Reader(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    EXPECT_TRUE(fd_);
  }
  // Reads what is there now. An end of file is a failure.
  std::vector<uint8_t> Read(size_t at_most = 1 << 20) {
    std::vector<uint8_t> bytes(at_most);
    const ssize_t n = read(fd_.get(), bytes.data(), bytes.size());
    EXPECT_TRUE(n > 0 || (n < 0 && errno == EAGAIN)) << "read " << n << ", errno " << errno;
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }

 private:
  UniqueFd fd_;
};

class FifoFeedTest : public FeedTest {
 protected:
  absl::StatusOr<std::unique_ptr<FifoFeed>> TryOpen(mode_t mode = 0640,
                                                    const std::string& group = "") {
    return FifoFeed::Open({path_, mode, group}, &host_, served_.get());
  }
  std::unique_ptr<FifoFeed> Started() {
    auto feed = TryOpen().value();
    EXPECT_TRUE(feed->Start().ok());
    Turn();
    return feed;
  }
  struct stat Look() const {
    struct stat found {};
    EXPECT_EQ(lstat(path_.c_str(), &found), 0);
    return found;
  }
  // True when a turn of the loop ends by its time-out and not by an event.
  bool Sleeps() {
    using std::chrono::steady_clock;
    constexpr auto kWait = std::chrono::milliseconds(20);
    Turn();
    const auto began = steady_clock::now();
    loop_->RunOnce(std::chrono::nanoseconds(kWait).count());
    return steady_clock::now() - began >= kWait;
  }

  const std::string path_ = dir_ / "sub/fifo";
};

TEST_F(FifoFeedTest, AReaderGetsTheBytesOfTheClassInTheirOrder) {
  auto feed = Started();
  Reader reader(path_);
  Arrive(10'000);
  EXPECT_EQ(reader.Read(), StreamBytes(0, 4096));
  Turn();
  EXPECT_EQ(reader.Read(), StreamBytes(4096, 4096));
  Turn();
  EXPECT_EQ(reader.Read(), StreamBytes(8192, 10'000 - 8192));
  Turn();
  EXPECT_THAT(reader.Read(), IsEmpty());
  EXPECT_EQ(counters_.delivered_bytes.Get(), 10'000u);
  EXPECT_EQ(feed->totals().delivered, 10'000u);
  EXPECT_TRUE(StagingIsClean());
}

TEST_F(FifoFeedTest, WithNobodyReadingAPageLiesThereAndTheLoopSleeps) {
  auto feed = Started();
  Arrive(100'000);
  for (int i = 0; i < 10; ++i) Turn(kSecond);
  EXPECT_EQ(buffer().level(), 100'000u - 4096);
  EXPECT_EQ(served_->queue()->owed(), 0u);
  EXPECT_TRUE(Sleeps());
}

TEST_F(FifoFeedTest, AnEmptyPipeThatWaitsForBytesLetsTheLoopSleep) {
  auto feed = Started();
  Reader reader(path_);
  EXPECT_EQ(served_->queue()->owed(), 4096u);
  EXPECT_TRUE(Sleeps());
  Arrive(100);  // the feed could still write to the rest of the page, but epoll does not say so
  EXPECT_TRUE(Sleeps());
  EXPECT_EQ(reader.Read(), StreamBytes(0, 100));
  EXPECT_TRUE(Sleeps());
}

TEST_F(FifoFeedTest, BytesThatComeInPiecesFillThePage) {
  auto feed = Started();
  for (int i = 0; i < 50; ++i) Arrive(100);
  EXPECT_EQ(buffer().level(), 50u * 100 - 4096);
  Reader reader(path_);
  EXPECT_EQ(reader.Read(1000), StreamBytes(0, 1000));
  Turn();
  EXPECT_EQ(reader.Read(), StreamBytes(1000, 3096));
  Turn();
  EXPECT_EQ(reader.Read(), StreamBytes(4096, 5000 - 4096));
}

TEST_F(FifoFeedTest, ReadersComeAndGoAndShareWhatThereIs) {
  auto feed = Started();
  Arrive(3 * 4096);
  auto one = std::make_unique<Reader>(path_);
  Reader two(path_);
  EXPECT_EQ(one->Read(64), StreamBytes(0, 64));
  EXPECT_EQ(two.Read(64), StreamBytes(64, 64));
  one.reset();
  EXPECT_EQ(two.Read(), StreamBytes(128, 4096 - 128));
  EXPECT_THAT(two.Read(), IsEmpty());  // ... and not an end of file
  Turn();
  EXPECT_EQ(Reader(path_).Read(16), StreamBytes(4096, 16));
}

TEST_F(FifoFeedTest, ThePipeStaysAndItsReadersGoOnWithTheNextAgent) {
  auto feed = Started();
  Arrive(10'000);
  Reader reader(path_);
  EXPECT_EQ(reader.Read(96), StreamBytes(0, 96));
  const struct stat before = Look();
  feed.reset();
  EXPECT_EQ(Look().st_ino, before.st_ino);
  feed = Started();
  EXPECT_EQ(Look().st_ino, before.st_ino);
  // The reader gets what the first feed left before the second adds anything.
  EXPECT_EQ(buffer().level(), 10'000u - 4096);
  EXPECT_EQ(reader.Read(), StreamBytes(96, 4000));
  Turn();
  EXPECT_EQ(reader.Read(), StreamBytes(4096, 4096));
}

TEST_F(FifoFeedTest, WhatSomebodyElseWroteIsReadFirstAndWhatDoesNotFitIsLost) {
  auto feed = Started();
  UniqueFd other(open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_EQ(write(other.get(), "0123456789", 10), 10);
  Arrive(3 * 4096);
  EXPECT_TRUE(StagingIsClean());
  EXPECT_TRUE(Sleeps());
  Reader reader(path_);
  EXPECT_EQ(reader.Read().size(), 10u);
  Turn();
  EXPECT_EQ(reader.Read(), StreamBytes(4096, 4096));
}

TEST_F(FifoFeedTest, ACeilingHoldsForAPipeAsForAnyGuest) {
  Limit(10'000);
  auto feed = Started();
  Arrive(1'000'000);
  Reader reader(path_);
  size_t seen = 0;
  for (int i = 0; i < 1'000; ++i) {
    Turn(kSecond / 100);
    seen += reader.Read().size();
  }
  EXPECT_NEAR(static_cast<double>(seen), 104'000, 6'000);
  EXPECT_GT(feed->totals().throttled_nanos, 8 * kSecond);
}

TEST_F(FifoFeedTest, ModeAndGroupAreGivenAtStartToWhateverPipeIsThere) {
  const mode_t before = umask(0077);
  auto feed = TryOpen(0644).value();
  EXPECT_EQ(Look().st_mode & 0777, 0600u);
  ASSERT_TRUE(feed->Start().ok());
  EXPECT_EQ(Look().st_mode & 0777, 0644u);
  auto again = TryOpen(0640).value();
  EXPECT_EQ(Look().st_mode & 0777, 0644u);
  ASSERT_TRUE(again->Start().ok());
  EXPECT_EQ(Look().st_mode & 0777, 0640u);
  umask(before);
  EXPECT_EQ(TryOpen(0640, "no-such-group").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FifoFeedTest, APipeWithoutAGroupOfItsOwnGetsTheProcesssGroupBack) {
  ASSERT_EQ(geteuid(), 0u) << "only root may give any group; run the test as root";
  auto before = TryOpen(0640, absl::StrCat(getegid() + 1)).value();
  ASSERT_TRUE(before->Start().ok());
  ASSERT_EQ(Look().st_gid, getegid() + 1);
  auto after = TryOpen(0640).value();
  ASSERT_TRUE(after->Start().ok());
  EXPECT_EQ(Look().st_gid, getegid());
}

TEST_F(FifoFeedTest, WhatIsNoPipeIsLeftAlone) {
  ASSERT_TRUE(MakeDirectoryOf(path_).ok());
  const UniqueFd file(open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  auto feed = TryOpen();
  EXPECT_EQ(feed.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(feed.status().message()),
              HasSubstr("something else than a pipe; choose another path"));
  EXPECT_TRUE(S_ISREG(Look().st_mode));
  unlink(path_.c_str());
  // A pipe behind a link is refused, too.
  ASSERT_EQ(mkfifo((path_ + ".real").c_str(), 0600), 0);
  ASSERT_EQ(symlink((path_ + ".real").c_str(), path_.c_str()), 0);
  EXPECT_EQ(TryOpen().status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(FifoFeedTest, APipeThatWasMadeAndNeverStartedGoesAway) {
  TryOpen().value().reset();
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
  Started().reset();
  TryOpen().value().reset();  // one that was there stays
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(FifoFeedTest, APipeThatSomebodyHasPutInItsPlaceIsNotRemoved) {
  auto feed = TryOpen().value();
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  feed.reset();
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

// --- with a host, and its successor ----------------------------------------------------------

class FifoHandoverTest : public TwoHostsTest {
 protected:
  void Configure() override {
    AgentSettings::Socket pipe = settings_.listeners[0];
    pipe.fifo = path_;
    pipe.path = "fifo:" + path_;
    pipe.mode = 0640;
    settings_.listeners.push_back(pipe);
  }
  static v1::Guest FeedOf(const Side& side) {
    v1::ListGuestsResponse guests;
    side.host->status().FillGuests(&guests);
    for (const v1::Guest& guest : guests.guest()) {
      if (guest.name().starts_with("fifo:")) return guest;
    }
    return {};
  }

  const std::string path_ = dir_ / "fifo";
};

TEST_F(FifoHandoverTest, AReaderGoesOnAndNoByteComesTwice) {
  Reader reader(path_);
  Arrive(&old_, 10'000);
  Turn(&old_);
  EXPECT_EQ(reader.Read(96), StreamBytes(0, 96));
  Fill(&new_, 10'000, /*first=*/1'000'000);
  Adopt(Save());
  EXPECT_EQ(new_.buffer().level(), 10'000u) << "a pipe is nobody's before the handover is final";
  Commit();
  Turn(&old_);
  Turn(&new_);
  Turn(&new_);
  EXPECT_EQ(reader.Read(), StreamBytes(96, 4000));
  Turn(&old_);
  Turn(&new_);
  EXPECT_EQ(reader.Read(), StreamBytes(1'000'000, 4096));
  EXPECT_EQ(new_.counters().delivered_bytes.Get(), 2u * 4096);
  old_.host.reset();
  EXPECT_THAT(reader.Read(), IsEmpty());  // ... and not an end of file
}

TEST_F(FifoHandoverTest, AHandoverThatFailsLeavesThePipeToTheOldOne) {
  Reader reader(path_);
  Arrive(&old_, 10'000);
  Turn(&old_);
  const std::vector<uint8_t> first = reader.Read();
  Fill(&new_, 10'000, /*first=*/1'000'000);
  Adopt(Save());
  new_.host.reset();
  Turn(&old_);
  EXPECT_EQ(first, StreamBytes(0, 4096));
  EXPECT_EQ(reader.Read(), StreamBytes(4096, 4096));
}

TEST_F(FifoHandoverTest, WhatAPipeHasHadIsListedAndCrosses) {
  Arrive(&old_, 4096);
  Turn(&old_);
  const v1::Guest before = FeedOf(old_);
  EXPECT_EQ(before.listener(), "fifo:" + path_);
  EXPECT_EQ(before.class_(), "default/gold");
  EXPECT_EQ(before.delivered(), 4096u);
  v1::GetStatusResponse status;
  old_.host->status().Fill(&status);
  EXPECT_EQ(status.class_(0).guests(), 1u);
  EXPECT_EQ(status.listener(2).path(), "fifo:" + path_);
  Move();
  Turn(&new_);
  Reader(path_).Read();
  Arrive(&new_, 100, 5'000);
  Turn(&new_);
  EXPECT_GE(FeedOf(new_).id(), before.id());
  EXPECT_EQ(FeedOf(new_).delivered(), 100u);  // of this process, as `since` tells
  const std::vector<GuestSeries> series = new_.host->status().Series();
  ASSERT_EQ(series.size(), 1u);
  EXPECT_EQ(series[0].name, "fifo:" + path_);
  EXPECT_EQ(series[0].totals.delivered, 4196u);
  new_.host->StopListening();
  ASSERT_EQ(new_.host->status().Series().size(), 1u);
  EXPECT_EQ(new_.host->status().Series()[0].connections, 0u);
  EXPECT_THAT(old_.host->status().Series(), IsEmpty());
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace entropyd
