// Feeds of a host. Open() and Start() are separate steps, so that a successor has them ready before
// it owns them.
#include "hostagent/feed/feeds.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/agent_metrics.h"
#include "tests/fake_log.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

class FeedsTest : public testing::Test {
 protected:
  FeedsTest() {
    const ClassSettings settings{"default/gold", 64 * 1024, 60 * kSecondNanos,
                                 ClassTree::kUnlimited};
    served_ = ServedClass::Create(settings, nullptr, metrics_.of_class(settings.name), arena_.get(),
                                  &clock_, &log_)
                  .value();
    Connections::Parts parts;
    parts.classes = {served_.get()};
    parts.endpoints = &endpoints_;
    parts.assignment = &assignment_;
    parts.accounts = &accounts_;
    parts.counters = &metrics_.connections;
    parts.loop = loop_.get();
    parts.arena = arena_.get();
    parts.log = &log_;
    connections_ = Connections::Create(parts, 10, 10).value();
    feeds_.emplace(connections_.get(), parts.classes, &accounts_);
  }
  static Endpoints::Options Nowhere() {
    Endpoints::Options options;
    options.configured.emplace_back();
    options.classes = {"default/gold"};
    return options;
  }
  static Feeds::Options Pipe(const std::string& path, const std::string& group = "") {
    Feeds::Options options;
    options.pipes.push_back({{path, 0600, group}, 0});
    return options;
  }

  // A program that reads the pipe.
  static UniqueFd Reader(const std::string& path) {
    return UniqueFd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  // Lets the class fill all pipes.
  void Serve() {
    served_->buffer()->Append(std::vector<uint8_t>(64 * 1024, 7));
    served_->OnArrival();
    for (int i = 0; i < 3; ++i) {
      loop_->RunOnce(0);
      served_->Serve(clock_.NowNanos());
    }
  }
  // Puts a file in the place of the open pipe: no loop can watch it.
  void MakeUnwatchable(const std::string& path) {
    const UniqueFd file(open((dir_ / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    int replaced = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      if (std::filesystem::read_symlink(entry.path(), error) != path) continue;
      ASSERT_GE(dup2(file.get(), std::stoi(entry.path().filename())), 0);
      ++replaced;
    }
    EXPECT_GT(replaced, 0) << path << " is not open";
  }

  TempDir dir_;
  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  Metrics registry_;
  AgentMetrics metrics_{&registry_, {"default/gold"}};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  GuestAccounts accounts_;
  ClassAssignment assignment_{{"default/gold"}, &log_, &metrics_.identity};
  Endpoints endpoints_{Nowhere(), loop_.get(), &log_, [](Endpoints::Id, UniqueFd) {},
                       [](const absl::Status&) {}};
  std::unique_ptr<ServedClass> served_;
  std::unique_ptr<Connections> connections_;
  absl::optional<Feeds> feeds_;
};

TEST_F(FeedsTest, OpenedTheyAreNobodyAndStartedTheyAreGuests) {
  ASSERT_TRUE(feeds_->Open(Pipe(dir_ / "pipe")).ok());
  ASSERT_THAT(feeds_->all(), SizeIs(1));
  EXPECT_EQ(feeds_->all()[0]->id(), 0u);
  EXPECT_EQ(served_->queue()->members(), 0u);
  EXPECT_THAT(accounts_.all(), SizeIs(0));
  const uint64_t next = connections_->next_id();
  ASSERT_TRUE(feeds_->Start().ok());
  EXPECT_EQ(feeds_->all()[0]->id(), next);
  EXPECT_EQ(served_->queue()->members(), 1u);
  EXPECT_THAT(accounts_.all(), SizeIs(1));
  feeds_->Close();
  EXPECT_EQ(served_->queue()->members(), 0u);
  EXPECT_THAT(accounts_.all(), SizeIs(0));
  EXPECT_EQ(access((dir_ / "pipe").c_str(), F_OK), 0) << "readers hold its inode";
}

TEST_F(FeedsTest, OneThatCannotBeOpenedIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(feeds_->Open(Pipe(dir_ / "pipe", "no-such-group"))));
}

TEST_F(FeedsTest, APipeWaitsUntilNobodyElseMayWriteInItsDirectory) {
  const std::string open = dir_ / "open", path = open + "/pipe";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0777), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(feeds_->Open(Pipe(path)))) << "as in an upgrade";
  EXPECT_EQ(feeds_->waiting(), 0u);
  ASSERT_TRUE(feeds_->OpenOrWait(Pipe(path)).ok());
  ASSERT_TRUE(feeds_->Start().ok());
  feeds_->OpenWaiting();
  EXPECT_EQ(feeds_->waiting(), 1u);
  EXPECT_TRUE(absl::IsFailedPrecondition(feeds_->problem(path)));
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  ASSERT_EQ(chmod(open.c_str(), 0755), 0);
  feeds_->OpenWaiting();
  EXPECT_EQ(feeds_->waiting(), 0u);
  EXPECT_TRUE(feeds_->problem(path).ok());
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_EQ(served_->queue()->members(), 1u) << "it is started";
}

TEST_F(FeedsTest, AFeedThatWaitsIsNotOpenedAfterTheEnd) {
  const std::string open = dir_ / "open";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0777), 0);
  ASSERT_TRUE(feeds_->OpenOrWait(Pipe(open + "/pipe")).ok());
  feeds_->Close();
  ASSERT_EQ(chmod(open.c_str(), 0755), 0);
  feeds_->OpenWaiting();
  EXPECT_NE(access((open + "/pipe").c_str(), F_OK), 0);
}

// Programs that come by the path, as a new QEMU does, would find nothing.
TEST_F(FeedsTest, APipeThatSomebodyRemovesIsMadeAnew) {
  const std::string path = dir_ / "pipe";
  ASSERT_TRUE(feeds_->Open(Pipe(path)).ok());
  ASSERT_TRUE(feeds_->Start().ok());
  EXPECT_EQ(feeds_->MakeLostAnew(), 0u);
  const UniqueFd reader = Reader(path);
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_EQ(feeds_->MakeLostAnew(), 1u);
  EXPECT_EQ(feeds_->MakeLostAnew(), 0u);
  EXPECT_EQ(feeds_->waiting(), 0u);
  EXPECT_THAT(feeds_->all(), SizeIs(1));
  EXPECT_THAT(accounts_.all(), SizeIs(1));
  EXPECT_THAT(log_.lines(), Contains(AllOf(StartsWith("warning listener.lost"),
                                           HasSubstr(absl::StrCat("path=", path)))));
  const UniqueFd newcomer = Reader(path);
  Serve();
  char byte;
  EXPECT_EQ(read(newcomer.get(), &byte, 1), 1);
  EXPECT_EQ(read(reader.get(), &byte, 1), 1) << "who has the old one open is fed on";
}

TEST_F(FeedsTest, APipeThatIsReplacedIsAProblemUntilItCanBeMadeAnew) {
  const std::string path = dir_ / "pipe";
  ASSERT_TRUE(feeds_->Open(Pipe(path)).ok());
  ASSERT_TRUE(feeds_->Start().ok());
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(feeds_->MakeLostAnew(), 1u);
  EXPECT_EQ(feeds_->waiting(), 1u);
  EXPECT_THAT(feeds_->problem(path).message(), HasSubstr("something else than a pipe"));
  feeds_->OpenWaiting();
  EXPECT_EQ(feeds_->MakeLostAnew(), 0u) << "it is lost as before";
  EXPECT_THAT(log_.lines(),
              ElementsAre(StartsWith("info tap.opened"), StartsWith("warning listener.lost")))
      << "once";
  ASSERT_EQ(rmdir(path.c_str()), 0);
  feeds_->OpenWaiting();
  EXPECT_EQ(feeds_->waiting(), 0u);
  EXPECT_TRUE(feeds_->problem(path).ok());
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST_F(FeedsTest, WhoeverRemovesPipesForEverCostsABoundedNumber) {
  const std::string path = dir_ / "pipe";
  ASSERT_TRUE(feeds_->Open(Pipe(path)).ok());
  ASSERT_TRUE(feeds_->Start().ok());
  for (size_t i = 0; i < 3 * Feeds::kMaxLeft; ++i) {
    ASSERT_EQ(unlink(path.c_str()), 0);
    EXPECT_EQ(feeds_->MakeLostAnew(), 1u);
  }
  EXPECT_EQ(served_->queue()->members(), Feeds::kMaxLeft + 1);
  EXPECT_THAT(accounts_.all(), SizeIs(1));
}

TEST_F(FeedsTest, WhoeverRemovesOnePipeForEverEndsNoReaderOfAnother) {
  const std::string quiet = dir_ / "quiet", path = dir_ / "pipe";
  Feeds::Options options = Pipe(path);
  options.pipes.push_back(Pipe(quiet).pipes[0]);
  ASSERT_TRUE(feeds_->Open(options).ok());
  ASSERT_TRUE(feeds_->Start().ok());
  const UniqueFd reader = Reader(quiet);
  ASSERT_EQ(unlink(quiet.c_str()), 0);
  EXPECT_EQ(feeds_->MakeLostAnew(), 1u);
  for (size_t i = 0; i < 2 * Feeds::kMaxLeft; ++i) {
    ASSERT_EQ(unlink(path.c_str()), 0);
    EXPECT_EQ(feeds_->MakeLostAnew(), 1u);
  }
  Serve();
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 1);
}

TEST_F(FeedsTest, APipeThatCannotStartAfterAHandoverIsAProblemAndTriedOn) {
  const std::string path = dir_ / "pipe";
  ASSERT_TRUE(feeds_->Open(Pipe(path)).ok());
  ASSERT_TRUE(feeds_->Start().ok());
  feeds_->Close();
  ASSERT_TRUE(feeds_->Open(Pipe(path)).ok());
  MakeUnwatchable(path);
  feeds_->StartWhatCan();
  EXPECT_EQ(feeds_->waiting(), 1u);
  EXPECT_FALSE(feeds_->problem(path).ok());
  EXPECT_THAT(log_.lines(), Contains(StartsWith("error tap.closed")));
  feeds_->OpenWaiting();
  EXPECT_EQ(feeds_->waiting(), 0u);
  EXPECT_TRUE(feeds_->problem(path).ok());
  EXPECT_EQ(served_->queue()->members(), 1u) << "it is started";
}

TEST_F(FeedsTest, TheKernelIsFedFromItsClass) {
  Feeds::Options options;
  Feeds::Options::Kernel& kernel = options.kernel.emplace();
  kernel.feed.bytes = 64;
  kernel.feed.every_nanos = kSecondNanos;
  kernel.feed.device = "/dev/null";
  kernel.counters = &metrics_.kernel_feed;
  ASSERT_TRUE(feeds_->Open(options).ok());
  feeds_->StartWhatCan();
  served_->buffer()->Append(std::vector<uint8_t>(1'000, 7));
  served_->OnArrival();
  served_->Serve(clock_.NowNanos());
  EXPECT_EQ(metrics_.kernel_feed.bytes.Get(), 64u);
  EXPECT_EQ(feeds_->all()[0]->name(), "kernel:/dev/null");
}

}  // namespace
}  // namespace entropyd
