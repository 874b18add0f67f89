#include "hostagent/operator_ports.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "base/process/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/endpoint/listener.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/fake_log.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class OperatorPortsTest : public testing::Test, public ControlServer::Subject {
 protected:
  OperatorPortsTest() { sockets_.set_version(1); }

  void FillStatus(v1::GetStatusResponse*) const override {}
  void FillGuests(v1::ListGuestsResponse*) const override {}
  absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(const config::v1::GuestSocket&,
                                                         absl::optional<gid_t>) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string&) override {
    return absl::UnimplementedError("");
  }
  config::v1::GuestState GuestSockets() const override {
    sockets_asked_ = true;
    return sockets_;
  }
  void Upgrade(Upgraded) override {}
  void Reload(Upgraded) override {}
  std::string ConfigPath() const override { return ""; }
  std::vector<std::string> ReloadChanges() const override { return {}; }

  OperatorPorts::Options Options(const std::string& http) {
    OperatorPorts::Options options;
    options.control = Control();
    options.state_dir = dir_ / "state";
    options.http.address = http;
    options.http.healthy = [] { return absl::OkStatus(); };
    options.http.ready = [] { return absl::OkStatus(); };
    return options;
  }
  std::unique_ptr<OperatorPorts> Make(const std::string& http = "127.0.0.1:0") {
    return std::make_unique<OperatorPorts>(Options(http), loop_.get(), this, &metrics_, &log_);
  }
  // As an agent does that starts.
  static absl::Status Open(OperatorPorts* ports) {
    absl::Status status = ports->OpenControl();
    if (status.ok()) ports->OpenInTheEnd([] {});
    return status;
  }
  std::string Control() const { return dir_ / "agent.sock"; }
  bool ControlIsOpen() const { return access(Control().c_str(), F_OK) == 0; }
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    loop_->RunOnce(0);
  }
  // The thread that asks for an address has its own pace, and the loop looks at it each second.
  void TurnUntil(const std::function<bool()>& reached) {
    while (!reached()) {
      std::this_thread::yield();
      Turn(OperatorPorts::kRetryNanos);
    }
  }

  // The sockets of single guests that are open.
  config::v1::GuestState sockets_;
  mutable bool sockets_asked_ = false;
  TempDir dir_;
  ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  Metrics metrics_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
};

TEST_F(OperatorPortsTest, BothOpenAndClose) {
  auto ports = Make();
  EXPECT_FALSE(ControlIsOpen());
  ASSERT_TRUE(Open(ports.get()).ok());
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_GT(ports->http_port(), 0);
  ports->Close();
  EXPECT_FALSE(ControlIsOpen());
  EXPECT_EQ(ports->http_port(), 0);
}

// The mode is all that keeps other users out.
TEST_F(OperatorPortsTest, NobodyElseMayUseTheControlSocket) {
  const mode_t before = umask(0);
  auto ports = Make("");
  const absl::Status opened = Open(ports.get());
  EXPECT_EQ(umask(before), 0u) << "it is as it was";
  ASSERT_TRUE(opened.ok()) << opened;
  struct stat socket;
  ASSERT_EQ(stat(Control().c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777, 0600u);
}

TEST_F(OperatorPortsTest, WithoutAnAddressThereIsNoHttp) {
  auto ports = Make("");
  ASSERT_TRUE(Open(ports.get()).ok());
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_EQ(ports->http_port(), 0);
}

TEST_F(OperatorPortsTest, AnAddressThatThisMachineDoesNotHaveIsTriedOnAndOn) {
  auto ports = Make("192.0.2.1:9744");  // for documentation: nobody has it
  ASSERT_TRUE(Open(ports.get()).ok());
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_EQ(ports->http_port(), 0);
  EXPECT_THAT(std::string(ports->problem().message()), StartsWith("open `metrics`: "));
  EXPECT_THAT(ports->problem().message(), HasSubstr("192.0.2.1:9744"));
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("error agent.doors_closed")));
  Turn(OperatorPorts::kRetryNanos);
  EXPECT_FALSE(ports->problem().ok());
  ports->GiveUp();
  EXPECT_TRUE(ports->problem().ok());
}

TEST_F(OperatorPortsTest, ANameServiceThatHangsKeepsNobodyWaiting) {
  absl::Notification asked, answer;
  OperatorPorts::Options options = Options("name.test:0");
  options.listen_on = [&](const std::string&) {
    asked.Notify();
    answer.WaitForNotification();
    return ListenOn("127.0.0.1:0");
  };
  OperatorPorts ports(options, loop_.get(), this, &metrics_, &log_);
  int opened = 0;
  ports.OpenInTheEnd([&] { ++opened; });
  asked.WaitForNotification();
  Turn(OperatorPorts::kRetryNanos);
  EXPECT_THAT(ports.problem().message(), HasSubstr("the name service has not answered yet"));
  EXPECT_EQ(opened, 0);
  answer.Notify();
  TurnUntil([&] { return opened > 0; });
  EXPECT_EQ(opened, 1);
  EXPECT_GT(ports.http_port(), 0);
}

TEST_F(OperatorPortsTest, ASilentNameServiceIsNoReasonAgainstAHandover) {
  absl::Notification answer;
  absl::BlockingCounter asked(2);  // once for each check
  OperatorPorts::Options options = Options("name.test:0");
  options.listen_on = [&](const std::string&) -> absl::StatusOr<ListenSockets> {
    answer.WaitForNotification();
    asked.DecrementCount();
    return absl::UnavailableError("in use");
  };
  OperatorPorts ports(options, loop_.get(), this, &metrics_, &log_);
  EXPECT_TRUE(ports.CheckHttp(0).ok());
  answer.Notify();
  EXPECT_EQ(ports.CheckHttp(0).message(), "open `metrics`: in use") << "one that answers is heard";
  asked.Wait();
}

TEST_F(OperatorPortsTest, AnAddressMayBeAName) {
  auto ports = Make("localhost:0");
  ASSERT_TRUE(Open(ports.get()).ok());
  TurnUntil([&] { return ports->http_port() > 0; });
  EXPECT_GT(ports->http_port(), 0);
}

TEST_F(OperatorPortsTest, AnAddressInUseIsTriedUntilItIsFree) {
  auto other = Make();
  ASSERT_TRUE(Open(other.get()).ok());
  auto ports = Make(absl::StrCat("127.0.0.1:", other->http_port()));
  int opened = 0;
  ports->OpenInTheEnd([&] { ++opened; });
  Turn(kSecondNanos);
  EXPECT_EQ(opened, 0);
  other.reset();
  Turn(kSecondNanos - 1);
  EXPECT_EQ(opened, 0);
  Turn(1);
  EXPECT_EQ(opened, 1);
  EXPECT_TRUE(ControlIsOpen());
  Turn(kSecondNanos);
  EXPECT_EQ(opened, 1);
}

TEST_F(OperatorPortsTest, AnAddressInUseIsToldOnceAndSoIsItsEnd) {
  auto other = Make();
  ASSERT_TRUE(Open(other.get()).ok());
  auto ports = Make(absl::StrCat("127.0.0.1:", other->http_port()));
  other->CloseControl();
  ports->OpenInTheEnd([] {});
  for (int i = 0; i < 20; ++i) Turn(OperatorPorts::kRetryNanos);
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("error agent.doors_closed")));
  other.reset();
  Turn(OperatorPorts::kRetryNanos);
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("error agent.doors_closed"),
                                        "info agent.doors_opened seconds=21"));
}

TEST_F(OperatorPortsTest, WhetherHttpCouldOpenIsKnownBefore) {
  auto other = Make();
  ASSERT_TRUE(Open(other.get()).ok());
  const std::string taken = absl::StrCat("127.0.0.1:", other->http_port());
  auto ports = Make(taken);
  EXPECT_TRUE(absl::IsUnavailable(ports->CheckHttp(0)));
  EXPECT_THAT(ports->CheckHttp(0).message(), AllOf(HasSubstr("`metrics`"), HasSubstr(taken)));
  EXPECT_TRUE(absl::IsUnavailable(ports->CheckHttp(other->http_port() + 1)));
  EXPECT_TRUE(ports->CheckHttp(other->http_port()).ok()) << "the other one is about to end";
  EXPECT_EQ(ports->http_port(), 0) << "nothing is open";
  const auto lost = Make("192.0.2.1:9744");  // for documentation: nobody has it
  EXPECT_TRUE(absl::IsUnavailable(lost->CheckHttp(9744))) << "nobody can free what is not here";
  EXPECT_TRUE(Make("")->CheckHttp(0).ok());
  other.reset();
  EXPECT_TRUE(ports->CheckHttp(0).ok());
  other = Make(taken);
  EXPECT_TRUE(Open(other.get()).ok()) << "the check keeps nothing open";
}

// Both would write the file of the guests' sockets.
TEST_F(OperatorPortsTest, TwoAgentsCannotShareOneStateDir) {
  ASSERT_EQ(mkdir((dir_ / "state").c_str(), 0700), 0);
  auto first = Make("");
  ASSERT_TRUE(Open(first.get()).ok());
  OperatorPorts::Options options = Options("");
  options.control = dir_ / "other.sock";
  OperatorPorts second(options, loop_.get(), this, &metrics_, &log_);
  const absl::Status refused = Open(&second);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists) << refused;
  EXPECT_NE(access(options.control.c_str(), F_OK), 0) << "nothing stays open";
  first->CloseControl();
  EXPECT_TRUE(Open(&second).ok()) << "a taker gets it when the giver leaves";
}

// Whoever wants to mend the address of HTTP needs the control socket.
TEST_F(OperatorPortsTest, TheControlSocketDoesNotWaitForTheAddressOfHttp) {
  auto other = Make();
  ASSERT_TRUE(Open(other.get()).ok());
  other->CloseControl();
  auto ports = Make(absl::StrCat("127.0.0.1:", other->http_port()));
  int opened = 0;
  ports->OpenInTheEnd([&] { ++opened; });
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_EQ(ports->http_port(), 0);
  EXPECT_EQ(opened, 0);
  other.reset();
  Turn(kSecondNanos);
  EXPECT_GT(ports->http_port(), 0);
  EXPECT_EQ(opened, 1);
}

TEST_F(OperatorPortsTest, WhoGivesUpTriesNoMore) {
  auto other = Make();
  ASSERT_TRUE(Open(other.get()).ok());
  auto ports = Make(absl::StrCat("127.0.0.1:", other->http_port()));
  int opened = 0;
  ports->OpenInTheEnd([&] { ++opened; });
  ports->GiveUp();
  other.reset();
  Turn(kSecondNanos + 1);
  EXPECT_EQ(opened, 0);
  EXPECT_FALSE(ControlIsOpen());
}

// STATE_DIR/guests.yaml after a handover.
class KeptSocketsTest : public OperatorPortsTest {
 protected:
  KeptSocketsTest() {
    config::v1::GuestSocket* const socket = sockets_.add_guests();
    socket->set_name("vm-1");
    socket->set_class_("default/gold");
    socket->set_path("/run/vm-1.sock");
    socket->set_mode("0660");
    EXPECT_EQ(mkdir(State().c_str(), 0700), 0);
  }
  std::string State() const { return dir_ / "state"; }
  // As a process does that has taken its guests over, until the file was looked at.
  void TakeOver() {
    auto ports = Make("");
    ports->OpenInTheEnd([] {});
    EXPECT_TRUE(ControlIsOpen());
    for (int i = 0; i < 30 && !sockets_asked_; ++i) loop_->RunOnce(kSecondNanos);
    EXPECT_TRUE(sockets_asked_);
    ports.reset();  // waits for the thread that looks
    sockets_asked_ = false;
  }
  std::string Kept() const {
    const auto kept = LoadGuestSockets(State());
    return kept.ok() && kept->guests_size() == 1 ? kept->guests(0).name() : "";
  }
};

TEST_F(KeptSocketsTest, AFileThatSomebodyEmptiedIsWrittenAnew) {
  { std::ofstream(GuestSocketsPath(State())); }
  TakeOver();
  EXPECT_EQ(Kept(), "vm-1");
  EXPECT_THAT(log_.lines(), ElementsAre(AllOf(StartsWith("warning state.written_anew"),
                                              HasSubstr("remedy=none needed"))));
}

TEST_F(KeptSocketsTest, AFileThatSomebodyRemovedIsWrittenAnew) {
  TakeOver();
  EXPECT_EQ(Kept(), "vm-1");
}

TEST_F(KeptSocketsTest, AFileThatHoldsThemIsLeftAlone) {
  ASSERT_TRUE(SaveGuestSockets(State(), sockets_).ok());
  struct stat before, after;
  ASSERT_EQ(stat(GuestSocketsPath(State()).c_str(), &before), 0);
  TakeOver();
  ASSERT_EQ(stat(GuestSocketsPath(State()).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_THAT(log_.lines(), ElementsAre());
}

TEST_F(KeptSocketsTest, AFileThatCannotBeWrittenIsTold) {
  ASSERT_EQ(mkdir(GuestSocketsPath(State()).c_str(), 0700), 0);
  TakeOver();
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("error state.not_written")));
}

TEST_F(OperatorPortsTest, WhereNoThreadCanBeStartedItIsToldAndTriedAgain) {
  auto ports = Make("localhost:0");
  {
    const NoMoreThreads full;
    ports->OpenInTheEnd([] {});
    EXPECT_FALSE(ControlIsOpen());
    EXPECT_THAT(ports->problem().message(), HasSubstr("start a thread"));
  }
  for (int i = 0; i < 100 && !ports->problem().ok(); ++i) {
    clock_.AdvanceNanos(OperatorPorts::kRetryNanos);
    loop_->RunOnce(100 * kMillisecondNanos);
  }
  EXPECT_TRUE(ports->problem().ok()) << ports->problem();
  EXPECT_TRUE(ControlIsOpen());
}

TEST_F(KeptSocketsTest, WithoutAThreadTheFileIsNotWrittenAndTheReasonIsTold) {
  auto control = ControlServer::Start(Control(), State(), loop_.get(), this);
  ASSERT_TRUE(control.ok()) << control.status();
  const NoMoreThreads full;
  absl::Status told;
  (*control)->KeepGuestSockets([&told](const auto& written) { told = written.status(); });
  EXPECT_TRUE(absl::IsResourceExhausted(told)) << told;
}

TEST_F(OperatorPortsTest, AControlSocketThatSomebodyRemovesIsMadeAnew) {
  auto ports = Make("");
  ASSERT_TRUE(Open(ports.get()).ok());
  EXPECT_FALSE(ports->MakeLostAnew());
  ASSERT_EQ(unlink(Control().c_str()), 0);
  EXPECT_TRUE(ports->MakeLostAnew());
  EXPECT_TRUE(ControlIsOpen());
  EXPECT_FALSE(ports->MakeLostAnew());
  struct stat made;
  ASSERT_EQ(stat(Control().c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0600u);
  EXPECT_THAT(log_.lines(), ElementsAre(StartsWith("warning listener.lost")));
}

// Another process may have put it there.
TEST_F(OperatorPortsTest, AnotherFileInThePlaceOfTheControlSocketIsNotRemoved) {
  auto ports = Make("");
  ASSERT_TRUE(Open(ports.get()).ok());
  ASSERT_EQ(unlink(Control().c_str()), 0);
  auto other = Listener::Create(
      {Control(), 0600, ""}, loop_.get(), [](UniqueFd) {}, [](const absl::Status&) {});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(ports->MakeLostAnew());
  EXPECT_FALSE(ports->MakeLostAnew()) << "it is lost as before";
  EXPECT_THAT(log_.lines(), ElementsAre(AllOf(StartsWith("warning listener.lost"),
                                              HasSubstr("another process listens there"))));
  ports.reset();
  EXPECT_TRUE(ControlIsOpen());
}

}  // namespace
}  // namespace entropyd
