#include "server/service_report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <vector>

#include "base/process/clock.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// A manager that listens, and waits 30 s for the watchdog.
class ServiceReportTest : public ::testing::Test {
 protected:
  ServiceReportTest() : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const std::string path = dir_.path() + "/notify";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    unsetenv("WATCHDOG_PID");
  }
  ~ServiceReportTest() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
  }

  std::vector<std::string> Heard() {
    std::vector<std::string> messages;
    char buffer[512];
    for (ssize_t n; (n = recv(socket_.get(), buffer, sizeof(buffer), 0)) >= 0;) {
      messages.emplace_back(buffer, static_cast<size_t>(n));
    }
    return messages;
  }
  void Tick(ServiceReport* report, bool alive = true) {
    report->Tick(alive, [this] { return summary_; });
  }

  const TempDir dir_;
  ManualClock clock_;
  UniqueFd socket_;
  std::string summary_ = "1 of 1 pools is ready";
};

TEST_F(ServiceReportTest, AServerThatLivesFeedsTheWatchdogTwiceInItsTime) {
  ServiceReport report(&clock_);
  report.Serving();
  EXPECT_THAT(Heard(), ElementsAre("READY=1\nWATCHDOG=1"));
  int fed = 0;
  for (int i = 0; i < 60; ++i) {
    Tick(&report);
    for (const std::string& message : Heard()) fed += message == "WATCHDOG=1";
    clock_.AdvanceNanos(kSecondNanos);
  }
  EXPECT_EQ(fed, 4);
}

TEST_F(ServiceReportTest, AServerThatHangsFeedsNobodyAndOneThatRunsAgainDoesAtOnce) {
  ServiceReport report(&clock_);
  Tick(&report);
  Heard();
  for (int i = 0; i < 60; ++i) {
    clock_.AdvanceNanos(kSecondNanos);
    Tick(&report, /*alive=*/false);
  }
  EXPECT_THAT(Heard(), IsEmpty());
  Tick(&report);
  EXPECT_THAT(Heard(), ElementsAre("WATCHDOG=1"));
}

TEST_F(ServiceReportTest, StatusIsToldWhenItChangesAsOneLine) {
  unsetenv("WATCHDOG_USEC");
  ServiceReport report(&clock_);
  Tick(&report);
  EXPECT_THAT(Heard(), ElementsAre("STATUS=1 of 1 pools is ready"));
  clock_.AdvanceNanos(ServiceReport::kStatusNanos);
  Tick(&report);
  EXPECT_THAT(Heard(), IsEmpty());
  summary_ = "a bad file:\nMAINPID=1";
  clock_.AdvanceNanos(ServiceReport::kStatusNanos);
  Tick(&report);
  EXPECT_THAT(Heard(), ElementsAre("STATUS=a bad file: MAINPID=1"));
}

TEST_F(ServiceReportTest, AReloadIsToldWithItsTimeAndItsEnd) {
  ServiceReport report(&clock_);
  report.Reloading();
  report.Reloaded();
  report.Stopping();
  EXPECT_THAT(Heard(), ElementsAre(MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"), "READY=1",
                                   "STOPPING=1\nSTATUS=stops"));
}

}  // namespace
}  // namespace entropyd
