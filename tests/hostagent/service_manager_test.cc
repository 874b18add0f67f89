// The manager is the test: a datagram socket whose name is in NOTIFY_SOCKET.
#include "hostagent/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = dir_ / "notify";
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS"}) {
      unsetenv(name);
    }
  }
  // What the manager has heard since the last look.
  std::vector<std::string> Heard() {
    std::vector<std::string> heard;
    char text[4096];
    for (ssize_t n; (n = recv(socket_.get(), text, sizeof text, MSG_DONTWAIT)) > 0;) {
      heard.emplace_back(text, static_cast<size_t>(n));
    }
    return heard;
  }
  void Watch() {
    manager_.Watch(loop_.get(), [this] { return summary_; });
  }
  void Turn(int64_t nanos) {
    clock_.AdvanceNanos(nanos);
    loop_->RunOnce(0);
  }

  TempDir dir_;
  UniqueFd socket_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ManualClock clock_{kSecondNanos};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::string summary_ = "2 guests";
  ServiceManager manager_;
};

TEST_F(ServiceManagerTest, ServingNamesThisProcessAsTheService) {
  manager_.Serving();
  EXPECT_THAT(Heard(), ElementsAre(AllOf(HasSubstr(absl::StrCat("MAINPID=", getpid())),
                                         HasSubstr("READY=1"))));
}

TEST_F(ServiceManagerTest, EachStepIsAWordOfItsOwn) {
  manager_.Reloading();
  manager_.Ready();
  manager_.Stopping();
  EXPECT_THAT(Heard(), ElementsAre(AllOf(StartsWith("RELOADING=1"), HasSubstr("MONOTONIC_USEC=")),
                                   StartsWith("READY=1"), StartsWith("STOPPING=1")));
}

TEST_F(ServiceManagerTest, TheWatchdogIsFedFromServingOnAsLongAsTheLoopTurns) {
  setenv("WATCHDOG_USEC", "4000000", 1);
  Watch();
  Turn(4 * kSecondNanos);
  EXPECT_THAT(Heard(), IsEmpty()) << "another process serves";
  manager_.Serving();
  Heard();
  Turn(2 * kSecondNanos);
  EXPECT_THAT(Heard(), Contains(StartsWith("WATCHDOG=1")));
  clock_.AdvanceNanos(kMinuteNanos);
  EXPECT_THAT(Heard(), IsEmpty()) << "the loop hangs";
}

TEST_F(ServiceManagerTest, TheStatusIsToldWhenItHasChanged) {
  Watch();
  manager_.Serving();
  Heard();
  Turn(kSecondNanos);
  EXPECT_THAT(Heard(), ElementsAre("STATUS=2 guests"));
  Turn(kMinuteNanos);
  EXPECT_THAT(Heard(), IsEmpty());
  summary_ = "3 guests";
  Turn(kMinuteNanos);
  EXPECT_THAT(Heard(), ElementsAre("STATUS=3 guests"));
}

TEST_F(ServiceManagerTest, WhoIsSucceededOrStopsTellsNothingMore) {
  setenv("WATCHDOG_USEC", "4000000", 1);
  Watch();
  manager_.Serving();
  manager_.Succeeded();
  Heard();
  Turn(kMinuteNanos);
  EXPECT_THAT(Heard(), IsEmpty());
  manager_.Serving();
  manager_.Stopping();
  Heard();
  Turn(kMinuteNanos);
  EXPECT_THAT(Heard(), IsEmpty());
}

TEST_F(ServiceManagerTest, WithoutAManagerNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  Watch();
  manager_.Serving();
  manager_.AwaitHeard();
  Turn(kMinuteNanos);
  EXPECT_THAT(Heard(), IsEmpty());
  EXPECT_THAT(ServiceManager::TakeSockets(), IsEmpty());
}

TEST_F(ServiceManagerTest, SocketsOfAnotherProcessAreNotTaken) {
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", absl::StrCat(getppid()).c_str(), 1);
  EXPECT_THAT(ServiceManager::TakeSockets(), IsEmpty());
  EXPECT_EQ(getenv("LISTEN_FDS"), nullptr) << "children do not get them either";
}

}  // namespace
}  // namespace entropyd
