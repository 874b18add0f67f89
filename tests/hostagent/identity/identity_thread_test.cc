// The real thread, on a status file that says that this test is a guest.
#include "hostagent/identity/identity_thread.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

// Far more than the thread needs. A test that waits so long has failed.
constexpr absl::Duration kPatience = absl::Seconds(20);

class IdentityThreadTest : public testing::Test {
 protected:
  IdentityThreadTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    own_.reset(fds[0]);
    other_.reset(fds[1]);
  }
  void Start() {
    thread_ = IdentityThread::Start(
                  dir_.path(),
                  [this](std::vector<IdentityNews> news) {
                    absl::MutexLock lock(&mutex_);
                    for (IdentityNews& one : news) news_.push_back(std::move(one));
                  },
                  &log_)
                  .value();
  }
  void Write(const std::string& name) {
    const std::string file = dir_ / "guest.xml";
    std::ofstream(file + ".new") << "<domstatus pid='" << getpid() << "'><domain><name>" << name
                                 << "</name></domain></domstatus>";
    std::filesystem::rename(file + ".new", file);
  }
  void Ask(uint64_t connection, bool held = false) {
    thread_->Ask({connection, PinPeer(own_.get()), config::v1::IDENTIFY_LIBVIRT, held});
  }
  // The next news of this connection (0 = a change). Drops all news before it.
  IdentityNews Next(uint64_t connection) {
    absl::MutexLock lock(&mutex_);
    wanted_ = connection;
    EXPECT_TRUE(
        mutex_.AwaitWithTimeout(absl::Condition(this, &IdentityThreadTest::Has), kPatience));
    IdentityNews found;
    while (!news_.empty()) {
      found = std::move(news_.front());
      news_.erase(news_.begin());
      if (found.connection == connection) break;
    }
    return found;
  }

  TempDir dir_;
  ManualClock clock_{0};
  Log log_{&clock_, -1};
  UniqueFd own_;
  UniqueFd other_;
  absl::Mutex mutex_;
  std::vector<IdentityNews> news_ ABSL_GUARDED_BY(mutex_);
  uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<IdentityThread> thread_;

 private:
  bool Has() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const IdentityNews& one : news_) {
      if (one.connection == wanted_) return true;
    }
    return false;
  }
};

TEST_F(IdentityThreadTest, EveryQuestionIsAnswered) {
  Write("web");
  Start();
  for (uint64_t connection : {1, 2, 3}) Ask(connection);
  for (uint64_t connection : {1, 2, 3}) {
    const IdentityNews news = Next(connection);
    ASSERT_TRUE(news.identity.has_value());
    EXPECT_EQ(news.identity->name, "web");
    EXPECT_EQ(news.start_ticks, StartTicks(getpid()));
  }
}

TEST_F(IdentityThreadTest, WhatWasWrittenBeforeAQuestionIsKnown) {
  Start();
  for (int i = 1; i <= 100; ++i) {
    Write(absl::StrCat("g", i));
    Ask(static_cast<uint64_t>(i));
    EXPECT_EQ(Next(static_cast<uint64_t>(i)).identity->name, absl::StrCat("g", i));
  }
}

TEST_F(IdentityThreadTest, ChangesAreToldUnasked) {
  Start();
  Ask(1);
  EXPECT_FALSE(Next(1).identity.has_value());
  Write("late");
  EXPECT_EQ(Next(0).pid, getpid());
}

// Keeps the thread in its first delivery until Go().
class HeldIdentityThreadTest : public IdentityThreadTest {
 protected:
  HeldIdentityThreadTest() {
    thread_ = IdentityThread::Start(
                  dir_.path(),
                  [this](std::vector<IdentityNews> news) {
                    if (!begun_.HasBeenNotified()) begun_.Notify();
                    go_.WaitForNotification();
                    absl::MutexLock lock(&mutex_);
                    most_at_once_ = std::max(most_at_once_, news.size());
                    for (IdentityNews& one : news) news_.push_back(std::move(one));
                  },
                  &log_)
                  .value();
    Ask(1);
    begun_.WaitForNotification();
  }
  ~HeldIdentityThreadTest() override {
    if (!go_.HasBeenNotified()) go_.Notify();
    thread_.reset();
  }
  // Lets it go on, and tells how many answers to questions asked meanwhile come up to this
  // connection's. REQUIRES: there are `asked` such questions.
  size_t Place(uint64_t connection, size_t asked) {
    go_.Notify();
    absl::MutexLock lock(&mutex_);
    const auto all = [this, asked] {
      mutex_.AssertReaderHeld();
      return news_.size() > asked;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&all), kPatience));
    size_t place = 0;
    while (place < news_.size() && news_[place].connection != connection) ++place;
    return place;
  }

  absl::Notification begun_, go_;
  size_t most_at_once_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST_F(HeldIdentityThreadTest, NobodyIsLookedForWhoHasGone) {
  for (uint64_t connection = 2; connection <= 1'000; ++connection) {
    Ask(connection, /*held=*/connection % 2 == 0);
  }
  for (uint64_t connection = 2; connection < 1'000; ++connection) thread_->Withdraw(connection);
  go_.Notify();
  Next(1'000);
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(most_at_once_, 1u);
  EXPECT_TRUE(news_.empty());
}

TEST_F(HeldIdentityThreadTest, AConnectionHasOneQuestion) {
  for (int i = 0; i < 1'000; ++i) Ask(2);
  Ask(3);
  go_.Notify();
  Next(2);
  EXPECT_EQ(Next(3).connection, 3u);
  absl::MutexLock lock(&mutex_);
  EXPECT_LE(most_at_once_, 2u);
}

TEST_F(HeldIdentityThreadTest, AnswersDoNotWaitForAllThatAreAsked) {
  for (uint64_t connection = 2; connection <= 1'000; ++connection) Ask(connection);
  go_.Notify();
  Next(1'000);
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(most_at_once_, IdentityThread::kQuestionsPerTurn);
}

// After a handover there is a question for each connection. The guests that are held connected
// last.
TEST_F(HeldIdentityThreadTest, WhoIsHeldIsAnsweredBeforeThoseWhoAreServed) {
  for (uint64_t connection = 2; connection <= 999; ++connection) Ask(connection);
  Ask(1'000, /*held=*/true);
  EXPECT_EQ(Place(1'000, 999), 1u);
}

TEST_F(HeldIdentityThreadTest, ThoseWhoAreServedHaveAPlaceInEachTurn) {
  for (uint64_t connection = 2; connection <= 999; ++connection) Ask(connection, /*held=*/true);
  Ask(1'000);
  EXPECT_LE(Place(1'000, 999), IdentityThread::kQuestionsPerTurn);
}

TEST_F(HeldIdentityThreadTest, AQuestionReplacesTheOneOfWhenItWasHeld) {
  Ask(2, /*held=*/true);
  Ask(2);
  Ask(3);
  go_.Notify();
  Next(3);
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(most_at_once_, 2u);
  EXPECT_TRUE(news_.empty());
}

TEST_F(IdentityThreadTest, EndsWithQuestionsLeft) {
  Start();
  for (uint64_t connection = 1; connection <= 1'000; ++connection) Ask(connection);
  thread_.reset();
  // Those that it had not come to have no answer, and the others have one.
  absl::MutexLock lock(&mutex_);
  EXPECT_LE(news_.size(), 1'000u);
  for (size_t i = 0; i < news_.size(); ++i) EXPECT_EQ(news_[i].connection, i + 1);
}

TEST_F(IdentityThreadTest, WhereNoThreadCanBeStartedItIsAnError) {
  const NoMoreThreads full;
  const auto thread = IdentityThread::Start(
      dir_.path(), [](std::vector<IdentityNews>) {}, &log_);
  EXPECT_TRUE(absl::IsResourceExhausted(thread.status())) << thread.status();
}

}  // namespace
}  // namespace entropyd
