// Calls over a real socket. The test is the agent behind it, and turns the loop.
#include "hostagent/control/control_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/types/optional.h"
#include "client/agent_admin_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/fake_log.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class ControlServerTest : public testing::Test, public ControlServer::Subject {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(State().c_str(), 0700), 0);
    sockets_.set_version(1);
    control_ = ControlServer::Start(Path(), State(), loop_.get(), this).value();
  }

  void FillStatus(v1::GetStatusResponse* status) const override { status->set_server("a:7743"); }
  void FillGuests(v1::ListGuestsResponse* guests) const override {
    guests->add_guest()->set_name("web-1");
  }
  absl::StatusOr<config::v1::GuestSocket> AddGuestSocket(const config::v1::GuestSocket& asked,
                                                         absl::optional<gid_t> group) override {
    ++added_;
    group_ = group;
    if (asked.name() == "taken") return absl::AlreadyExistsError("add guest: taken");
    *sockets_.add_guests() = asked;
    return asked;
  }
  absl::StatusOr<config::v1::GuestSocket> RemoveGuestSocket(const std::string& name) override {
    if (sockets_.guests_size() == 0 || sockets_.guests(0).name() != name) {
      return absl::NotFoundError("remove guest: no such socket");
    }
    const config::v1::GuestSocket removed = sockets_.guests(0);
    sockets_.clear_guests();
    return removed;
  }
  config::v1::GuestState GuestSockets() const override { return sockets_; }
  void Upgrade(Upgraded done) override { done(absl::AbortedError("not now"), ""); }
  void Reload(Upgraded done) override {
    if (hangs_) {
      pending_ = std::move(done);
      return;
    }
    done(absl::OkStatus(), "9.9.9");
  }
  std::string ConfigPath() const override { return "/etc/entropyd/agent.yaml"; }
  std::vector<std::string> ReloadChanges() const override { return {"max_guests"}; }

  std::string Path() const { return dir_ / "agent.sock"; }
  std::string State() const { return dir_ / "state"; }
  // Calls as entropyctl does, while the loop turns.
  template <typename Answer>
  Answer Call(const std::function<Answer(AgentAdminClient&)>& call) {
    absl::optional<Answer> answer;
    absl::Notification answered;
    std::thread caller([&] {
      answer.emplace(call(*AgentAdminClient::Create(Path())));
      answered.Notify();
    });
    while (!answered.HasBeenNotified()) loop_->RunOnce(kMillisecondNanos);
    caller.join();
    return *std::move(answer);
  }
  absl::StatusOr<v1::AddGuestResponse> Add(const std::string& name, const std::string& group = "") {
    return Call<absl::StatusOr<v1::AddGuestResponse>>([&](AgentAdminClient& agent) {
      v1::AddGuestRequest request;
      request.mutable_socket()->set_name(name);
      request.mutable_socket()->set_class_("default/gold");
      request.mutable_socket()->set_path("/run/" + name + ".sock");
      request.mutable_socket()->set_mode("0660");
      request.mutable_socket()->set_group(group);
      return agent.AddGuest(request);
    });
  }
  absl::StatusOr<v1::RemoveGuestResponse> Remove(const std::string& name) {
    return Call<absl::StatusOr<v1::RemoveGuestResponse>>([&](AgentAdminClient& agent) {
      v1::RemoveGuestRequest request;
      request.set_name(name);
      return agent.RemoveGuest(request);
    });
  }
  int Kept() const {
    const auto kept = LoadGuestSockets(State());
    return kept.ok() ? kept->guests_size() : -1;
  }

  config::v1::GuestState sockets_;
  int added_ = 0;
  absl::optional<gid_t> group_;
  bool hangs_ = false;
  Upgraded pending_;
  TempDir dir_;
  SystemClock clock_;
  FakeLog log_{&clock_};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::unique_ptr<ControlServer> control_;
};

TEST_F(ControlServerTest, ACallGetsWhatTheLoopSays) {
  const auto status = Call<absl::StatusOr<v1::GetStatusResponse>>(
      [](AgentAdminClient& agent) { return agent.GetStatus(); });
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->server(), "a:7743");
  const auto guests = Call<absl::StatusOr<v1::ListGuestsResponse>>(
      [](AgentAdminClient& agent) { return agent.ListGuests(); });
  ASSERT_TRUE(guests.ok()) << guests.status();
  EXPECT_EQ(guests->guest(0).name(), "web-1");
}

TEST_F(ControlServerTest, OnlyRootMayConnectAndTheSocketGoesWithTheServer) {
  struct stat socket;
  ASSERT_EQ(stat(Path().c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777, 0600u);
  control_.reset();
  EXPECT_NE(access(Path().c_str(), F_OK), 0);
}

TEST_F(ControlServerTest, APathThatSomebodyServesOrThatCannotBeIsRefused) {
  EXPECT_FALSE(ControlServer::Start(Path(), State(), loop_.get(), this).ok());
  EXPECT_EQ(access(Path().c_str(), F_OK), 0) << "the other one goes on";
  const auto nowhere = ControlServer::Start(Path() + "/x.sock", State(), loop_.get(), this);
  EXPECT_FALSE(nowhere.ok());
}

TEST_F(ControlServerTest, ASocketForAGuestIsKeptBeforeTheCallerHears) {
  ASSERT_TRUE(Add("vm-1").ok());
  EXPECT_EQ(Kept(), 1);
  EXPECT_FALSE(group_.has_value());
  ASSERT_TRUE(Remove("vm-1").ok());
  EXPECT_EQ(Kept(), 0);
}

TEST_F(ControlServerTest, WhatTheAgentRefusesIsTheAnswerAndChangesNoFile) {
  EXPECT_TRUE(absl::IsAlreadyExists(Add("taken").status()));
  EXPECT_TRUE(absl::IsNotFound(Remove("vm-2").status()));
  EXPECT_NE(access(GuestSocketsPath(State()).c_str(), F_OK), 0);
}

TEST_F(ControlServerTest, AGroupIsFoundBeforeTheLoopIsAsked) {
  ASSERT_TRUE(Add("vm-1", "root").ok());
  EXPECT_EQ(group_, absl::optional<gid_t>(0));
  EXPECT_TRUE(absl::IsNotFound(Add("vm-2", "no-such-group").status()));
  EXPECT_EQ(added_, 1);
}

TEST_F(ControlServerTest, AChangeThatCannotBeKeptSaysThatItIsDone) {
  ASSERT_EQ(rmdir(State().c_str()), 0);
  const absl::Status status = Add("vm-1").status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("done, but not kept for a restart: "));
  EXPECT_EQ(sockets_.guests_size(), 1);
}

TEST_F(ControlServerTest, AReloadSaysWhatChangedAndAnUpgradeWhyNot) {
  const auto reload = Call<absl::StatusOr<v1::ReloadResponse>>(
      [](AgentAdminClient& agent) { return agent.Reload(); });
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_EQ(reload->config(), "/etc/entropyd/agent.yaml");
  EXPECT_THAT(reload->change(), ElementsAre("max_guests"));
  const auto upgrade = Call<absl::StatusOr<v1::UpgradeResponse>>(
      [](AgentAdminClient& agent) { return agent.Upgrade(); });
  EXPECT_TRUE(absl::IsAborted(upgrade.status()));
  EXPECT_THAT(std::string(upgrade.status().message()), HasSubstr("not now"));
}

TEST_F(ControlServerTest, TheEndWaitsForNoReload) {
  hangs_ = true;
  absl::Notification answered;
  absl::Status status;
  std::thread caller([&] {
    status = AgentAdminClient::Create(Path())->Reload().status();
    answered.Notify();
  });
  while (pending_ == nullptr) loop_->RunOnce(kMillisecondNanos);
  control_.reset();
  answered.WaitForNotification();
  caller.join();
  EXPECT_FALSE(status.ok());
  pending_(absl::OkStatus(), "9.9.9");  // comes too late, and hurts nobody
}

TEST_F(ControlServerTest, ASocketThatSomebodyRemovesIsMadeAnewAndToldOnce) {
  EXPECT_FALSE(control_->MakeLostAnew(&log_));
  ASSERT_EQ(unlink(Path().c_str()), 0);
  EXPECT_TRUE(control_->MakeLostAnew(&log_));
  EXPECT_FALSE(control_->MakeLostAnew(&log_));
  EXPECT_THAT(log_.lines(),
              ElementsAre(AllOf(StartsWith("warning listener.lost"), HasSubstr(Path()))));
  EXPECT_TRUE(Remove("vm-1").status().code() == absl::StatusCode::kNotFound) << "it is served";
}

TEST_F(ControlServerTest, TheFileIsWrittenOnlyWhereItDiffers) {
  config::v1::GuestSocket* const socket = sockets_.add_guests();
  socket->set_name("vm-1");
  socket->set_class_("default/gold");
  socket->set_path("/run/vm-1.sock");
  socket->set_mode("0660");
  for (const bool expected : {true, false}) {
    absl::Notification looked;
    absl::StatusOr<bool> written = absl::UnknownError("");
    control_->KeepGuestSockets([&](const absl::StatusOr<bool>& result) {
      written = result;
      looked.Notify();
    });
    while (!looked.HasBeenNotified()) loop_->RunOnce(kMillisecondNanos);
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ(*written, expected);
    control_.reset();  // it is asked once at most
    control_ = ControlServer::Start(Path(), State(), loop_.get(), this).value();
  }
}

TEST_F(ControlServerTest, WithoutAThreadTheFileIsAnError) {
  const NoMoreThreads full;
  absl::StatusOr<bool> written = true;
  control_->KeepGuestSockets([&](const absl::StatusOr<bool>& result) { written = result; });
  EXPECT_TRUE(absl::IsResourceExhausted(written.status())) << written.status();
}

}  // namespace
}  // namespace entropyd
