// Sockets for single guests: made and removed while the agent runs, kept in a file, handed over.
#include "hostagent/endpoint/endpoints.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/process/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

bool TryToConnect(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

GuestSocket Named(const std::string& name, const std::string& class_name = "",
                  const std::string& path = "") {
  GuestSocket socket;
  socket.set_name(name);
  socket.set_class_(class_name);
  socket.set_path(path);
  return socket;
}

// Endpoints alone: the callback gets each socket with the id of its endpoint.
class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    for (const char* name : {"0.sock", "1.sock"}) {
      EndpointSettings settings;
      settings.path = dir_ / name;
      settings.mode = 0600;
      options_.configured.push_back(settings);
    }
    options_.classes = {"default/gold", "default/bulk"};
    options_.guest_socket_dir = dir_ / "guest";
    options_.most_guest_sockets = 2;
  }
  Endpoints& Made() {
    endpoints_ = std::make_unique<Endpoints>(
        options_, loop_.get(), &log_,
        [this](Endpoints::Id id, UniqueFd) { accepted_.push_back(id); },
        [](const absl::Status&) {});
    return *endpoints_;
  }
  static GuestSocket Guest(const std::string& name) {
    GuestSocket socket;
    socket.set_name(name);
    return socket;
  }

  TempDir dir_;
  ManualClock clock_;
  Log log_{&clock_, -1};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  Endpoints::Options options_;
  std::vector<Endpoints::Id> accepted_;
  std::unique_ptr<Endpoints> endpoints_;
};

TEST_F(EndpointsTest, ASocketFileThatSomebodyRemovesIsMadeAnew) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  const std::string path = dir_ / "1.sock";
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(dir_ / "0.sock")) << "nothing is lost";
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_FALSE(TryToConnect(path));
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(path));
  loop_->RunOnce(0);
  EXPECT_THAT(accepted_, testing::UnorderedElementsAre(0, 1));
  // Something else in its place is not removed, and what is there again is not made twice.
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  endpoints.MakeLostAnew();
  EXPECT_TRUE(std::filesystem::is_directory(path));
  ASSERT_EQ(rmdir(path.c_str()), 0);
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(path));
  const auto inode = [&path] {
    struct stat found;
    return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
  };
  const ino_t made = inode();
  endpoints.MakeLostAnew();
  EXPECT_EQ(inode(), made);
}

TEST_F(EndpointsTest, TheFileOfAnotherProcessIsNotMade) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  endpoints.Disown();
  const std::string path = dir_ / "0.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  endpoints.MakeLostAnew();
  EXPECT_FALSE(std::filesystem::exists(path));
  // Its successor finds it lost, too.
  endpoints.Own();
  endpoints.MakeLostAnew();
  EXPECT_TRUE(TryToConnect(path));
}

TEST_F(EndpointsTest, WhoConnectsIsHandedOverWithTheIdOfWhereItCameIn) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  ASSERT_TRUE(endpoints.Add(Guest("vm-1")).ok());
  EXPECT_THAT(endpoints.ids(), ElementsAre(0, 1, 2));
  EXPECT_EQ(endpoints.settings(2).guest, "vm-1");
  const Client guest = Dial(dir_ / "guest/vm-1.sock");
  loop_->RunOnce(0);
  const Client second = Dial(dir_ / "1.sock");
  loop_->RunOnce(0);
  EXPECT_THAT(accepted_, ElementsAre(2, 1));
}

TEST_F(EndpointsTest, AnAddressThatThisMachineDoesNotHaveYetStopsNoOther) {
  EndpointSettings tcp;
  tcp.path = "192.0.2.1:7744";  // for documentation: nobody has it
  tcp.tcp = true;
  options_.configured.insert(options_.configured.begin(), tcp);
  EXPECT_TRUE(absl::IsUnavailable(Made().Open())) << "whoever may refuse does";
  EXPECT_EQ(endpoints_->waiting(), 0u);
  ASSERT_TRUE(Made().OpenOrWait().ok());
  EXPECT_TRUE(TryToConnect(dir_ / "0.sock"));
  EXPECT_TRUE(TryToConnect(dir_ / "1.sock"));
  EXPECT_EQ(endpoints_->waiting(), 1u);
  EXPECT_THAT(endpoints_->problem(0).message(),
              HasSubstr("192.0.2.1:7744: this machine has no such address now"));
  EXPECT_TRUE(endpoints_->problem(1).ok());
  endpoints_->OpenWaiting();
  EXPECT_EQ(endpoints_->waiting(), 1u);
  endpoints_->Close();
  EXPECT_EQ(endpoints_->waiting(), 0u) << "nobody opens it afterwards";
}

TEST_F(EndpointsTest, AnAddressInUseIsNoAddressToWaitFor) {
  EndpointSettings tcp;
  tcp.tcp = true;
  auto taken = ListenOn("127.0.0.1:0").value();
  tcp.path = absl::StrCat("127.0.0.1:", taken.port);
  options_.configured.push_back(tcp);
  EXPECT_FALSE(Made().OpenOrWait().ok());
}

TEST_F(EndpointsTest, AGuestsSocketThatCouldNotBeOpenedIsOpenedWhenItCan) {
  config::v1::GuestState state;
  *state.add_guests() = Named("vm-1", "default/bulk", dir_ / "blocked/vm-1.sock");
  state.mutable_guests(0)->set_mode("0600");
  // No directory can be made there.
  { std::ofstream(dir_ / "blocked") << "x"; }
  Made().Restore(state);
  ASSERT_TRUE(endpoints_->Open().ok());
  EXPECT_FALSE(endpoints_->problem(2).ok());
  EXPECT_EQ(endpoints_->waiting(), 0u) << "one guest's fault is not the host's";
  std::filesystem::remove(dir_ / "blocked");
  endpoints_->OpenWaiting();
  EXPECT_TRUE(endpoints_->problem(2).ok());
  EXPECT_TRUE(TryToConnect(dir_ / "blocked/vm-1.sock"));
}

TEST_F(EndpointsTest, SocketsOfGuestsAreTriedMoreAndMoreSeldomAndOneAtATime) {
  config::v1::GuestState state;
  for (const char* name : {"vm-1", "vm-2"}) {
    *state.add_guests() = Named(name, "default/bulk", absl::StrCat(dir_ / "blocked/", name));
  }
  state.mutable_guests(0)->set_mode("0600");
  state.mutable_guests(1)->set_mode("0600");
  { std::ofstream(dir_ / "blocked") << "x"; }
  Made().Restore(state);
  ASSERT_TRUE(endpoints_->Open().ok());
  const auto opened = [&] { return endpoints_->problem(2).ok() + endpoints_->problem(3).ok(); };
  // vm-1 is tried by the first, third and seventh call, vm-2 by the second, fourth and eighth.
  for (int call = 1; call <= 4; ++call) endpoints_->OpenWaiting();
  std::filesystem::remove(dir_ / "blocked");
  for (int call = 5; call <= 6; ++call) endpoints_->OpenWaiting();
  EXPECT_EQ(opened(), 0);
  endpoints_->OpenWaiting();
  EXPECT_EQ(opened(), 1);
  endpoints_->OpenWaiting();
  EXPECT_EQ(opened(), 2);
}

TEST_F(EndpointsTest, NoIdIsUsedTwice) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  ASSERT_TRUE(endpoints.Add(Guest("vm-1")).ok());
  EXPECT_EQ(endpoints.Remove("vm-1").value().id, 2u);
  ASSERT_TRUE(endpoints.Add(Guest("vm-1")).ok());
  EXPECT_THAT(endpoints.ids(), ElementsAre(0, 1, 3));
}

TEST_F(EndpointsTest, ThereAreNoMoreSocketsOfGuestsThanAllowed) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  ASSERT_TRUE(endpoints.Add(Guest("vm-1")).ok());
  ASSERT_TRUE(endpoints.Add(Guest("vm-2")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(endpoints.Add(Guest("vm-3")).status()));
}

TEST_F(EndpointsTest, OneThatCannotBeOpenedLeavesNoTrace) {
  Endpoints& endpoints = Made();
  GuestSocket impossible = Guest("vm-1");
  impossible.set_path("/proc/nowhere/vm-1.sock");
  EXPECT_FALSE(endpoints.Add(impossible).ok());
  EXPECT_THAT(endpoints.ids(), SizeIs(2));
  EXPECT_EQ(endpoints.guest_sockets().guests_size(), 0);
  EXPECT_TRUE(endpoints.Add(Guest("vm-1")).ok());
}

// A restart would drop every guest, and a reload drops none.
TEST_F(EndpointsTest, AClassThatIsMissingCanBeAddedWithoutARestart) {
  GuestSocket asked = Guest("vm-1");
  asked.set_class_("default/nope");
  const std::string why(Made().Add(asked).status().message());
  EXPECT_THAT(why,
              HasSubstr("add it to `classes` in agent.yaml and run `entropyctl agent reload`"));
  EXPECT_THAT(why, testing::Not(HasSubstr("restart")));
}

TEST_F(EndpointsTest, APipeIsListedAndNobodyConnectsToIt) {
  options_.configured[1].fifo = dir_ / "pipe";
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  EXPECT_THAT(endpoints.ids(), SizeIs(2));
  ASSERT_THAT(endpoints.opened(), SizeIs(1));
  EXPECT_EQ(endpoints.opened()[0].path, dir_ / "0.sock");
}

TEST_F(EndpointsTest, ASocketOfAnotherProcessServesTheEndpointOfItsPathOrIsDropped) {
  Endpoints& old = Made();
  ASSERT_TRUE(old.Open().ok());
  const std::vector<Endpoints::Opened> opened = old.opened();
  const std::unique_ptr<Endpoints> kept = std::move(endpoints_);
  options_.configured.pop_back();
  Endpoints& successor = Made();
  const auto lent = [](const Endpoints::Opened& of) {
    return Listener::HandedOver{UniqueFd(fcntl(of.fd, F_DUPFD_CLOEXEC, 0)), of.file};
  };
  EXPECT_EQ(successor.Adopt(opened[0].path, lent(opened[0])).value(), 0u);
  EXPECT_EQ(successor.Adopt(opened[1].path, lent(opened[1])).value(), absl::nullopt);
  EXPECT_THAT(successor.opened(), SizeIs(1));
  kept->Disown();
  kept->Close();
  EXPECT_TRUE(std::filesystem::exists(opened[1].path)) << "not before it owns them";
  successor.Own();
  EXPECT_FALSE(std::filesystem::exists(opened[1].path));
  EXPECT_TRUE(std::filesystem::exists(opened[0].path));
  const Client client = Dial(opened[0].path);
  loop_->RunOnce(0);
  EXPECT_THAT(accepted_, ElementsAre(0));
}

class GuestSocketsTest : public TwoHostsTest {
 protected:
  void Configure() override {
    settings_.guest_socket_dir = dir_ / "guest";
    settings_.classes.push_back(
        {"default/bulk", 4 << 20, int64_t{60'000'000'000}, ClassTree::kUnlimited});
  }
  absl::Status Refusal(const GuestSocket& asked) {
    return old_.host->endpoints()->Add(asked).status();
  }
  v1::Guest Only(Side* side) {
    v1::ListGuestsResponse guests;
    side->host->status().FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), 1);
    return guests.guest_size() == 1 ? guests.guest(0) : v1::Guest();
  }
};

TEST_F(GuestSocketsTest, ASocketIsItsGuestsIdentityAndClass) {
  const GuestSocket socket = old_.host->endpoints()->Add(Named("vm-1", "default/bulk")).value();
  EXPECT_EQ(socket.path(), dir_ / "guest/vm-1.sock");
  struct stat found;
  ASSERT_EQ(stat(socket.path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0660u);
  Client client = Dial(socket.path());
  client.Send({0x02, 0x40});
  Turn(&old_);
  EXPECT_EQ(Only(&old_).name(), "vm-1");
  EXPECT_EQ(Only(&old_).identified_by(), "socket");
  EXPECT_EQ(Only(&old_).class_(), "default/bulk");
  old_.host->classes()[1]->buffer()->Append(StreamBytes(0, 1'000));
  old_.host->classes()[1]->OnArrival();
  Turn(&old_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
}

TEST_F(GuestSocketsTest, HypervisorsOfOtherUsersMayEnterTheDirectory) {
  const mode_t before = umask(0077);
  const auto socket = old_.host->endpoints()->Add(Named("vm-1"));
  umask(before);
  ASSERT_TRUE(socket.ok()) << socket.status();
  struct stat found;
  ASSERT_EQ(stat((dir_ / "guest").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0755u);
}

TEST_F(GuestSocketsTest, WhatIsLeftOutIsTheFirstListeners) {
  EXPECT_EQ(old_.host->endpoints()->Add(Named("vm-1")).value().class_(), "default/gold");
}

TEST_F(GuestSocketsTest, ARemovedSocketIsGoneWithItsConnections) {
  const GuestSocket socket = old_.host->endpoints()->Add(Named("vm-1")).value();
  Client client = Dial(socket.path());
  Turn(&old_);
  EXPECT_TRUE(old_.host->RemoveGuestSocket("vm-1").ok());
  Turn(&old_);
  EXPECT_TRUE(client.Closed());
  EXPECT_FALSE(std::filesystem::exists(socket.path()));
  EXPECT_EQ(old_.host->endpoints()->guest_sockets().guests_size(), 0);
  EXPECT_TRUE(absl::IsNotFound(old_.host->RemoveGuestSocket("vm-1").status()));
  EXPECT_TRUE(old_.host->endpoints()->Add(Named("vm-1")).ok());
}

TEST_F(GuestSocketsTest, ComingAndGoingNeedsNoMorePlaces) {
  for (int i = 0; i < 500; ++i) {
    const std::string name = absl::StrCat("vm-", i);
    ASSERT_TRUE(old_.host->endpoints()->Add(Named(name)).ok());
    ASSERT_TRUE(old_.host->RemoveGuestSocket(name).ok());
  }
  v1::GetStatusResponse status;
  old_.host->status().Fill(&status);
  EXPECT_EQ(status.listener_size(), 2);
}

TEST_F(GuestSocketsTest, ADirectoryThatTheOperatorMistypedIsNotMade) {
  const absl::Status refused = Refusal(Named("vm-1", "", dir_ / "none/vm-1.sock"));
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("there is no directory " + (dir_ / "none") + "; make it"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "none"));
  EXPECT_TRUE(Refusal(Named("vm-1", "", dir_ / "vm-1.sock")).ok());
  EXPECT_TRUE(Refusal(Named("vm-2", "", dir_ / "guest/other-name.sock")).ok());
}

TEST_F(GuestSocketsTest, RefusalsNameTheRemedy) {
  ASSERT_TRUE(old_.host->endpoints()->Add(Named("vm-1")).ok());
  EXPECT_THAT(std::string(Refusal(Named("vm-1")).message()), HasSubstr("guests remove vm-1"));
  EXPECT_TRUE(absl::IsAlreadyExists(Refusal(Named("vm-2", "", dir_ / "guest/vm-1.sock"))));
  EXPECT_TRUE(absl::IsAlreadyExists(Refusal(Named("vm-2", "", dir_ / "0.sock"))));
  const absl::Status unknown = Refusal(Named("vm-2", "default/none"));
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("default/gold, default/bulk"));
  GuestSocket grouped = Named("vm-2");
  grouped.set_group("4294967295");  // no name service is asked for a number
  EXPECT_TRUE(absl::IsNotFound(Refusal(grouped)));
  GuestSocket moded = Named("vm-2");
  moded.set_mode("0888");
  EXPECT_THAT(std::string(Refusal(moded).message()), HasSubstr("0660"));
  for (const char* bad : {"", "-x", "../x", "a b", "a/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Refusal(Named(bad)))) << bad;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(Named("vm-2", "", "relative"))));
  EXPECT_EQ(old_.host->endpoints()->guest_sockets().guests_size(), 1);
}

TEST_F(GuestSocketsTest, SocketsAndTheirGuestsCrossAHandover) {
  ASSERT_TRUE(old_.host->endpoints()->Add(Named("gone")).ok());
  const GuestSocket socket = old_.host->endpoints()->Add(Named("vm-1", "default/bulk")).value();
  ASSERT_TRUE(old_.host->RemoveGuestSocket("gone").ok());
  Client client = Dial(socket.path());
  client.Send({0x02, 0x40});
  Turn(&old_);
  // What the file said at the taker's start is out of date.
  new_.host->endpoints()->Restore([] {
    config::v1::GuestState state;
    *state.add_guests() = Named("gone", "default/gold", "/nowhere/gone.sock");
    return state;
  }());
  Move();
  EXPECT_EQ(Only(&new_).name(), "vm-1");
  EXPECT_EQ(Only(&new_).class_(), "default/bulk");
  EXPECT_EQ(new_.host->endpoints()->guest_sockets().guests_size(), 1);
  new_.host->classes()[1]->buffer()->Append(StreamBytes(0, 1'000));
  new_.host->classes()[1]->OnArrival();
  Turn(&new_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  Client another = Dial(socket.path());
  Turn(&new_);
  EXPECT_EQ(new_.host->connections()->size(), 2u);
  EXPECT_TRUE(new_.host->RemoveGuestSocket("vm-1").ok());
  EXPECT_FALSE(std::filesystem::exists(socket.path()));
}

TEST_F(GuestSocketsTest, ThoseOfAnEarlierProcessAreOpenedAgain) {
  config::v1::GuestState state;
  *state.add_guests() = Named("vm-1", "default/bulk", dir_ / "vm-1.sock");
  *state.add_guests() = Named("vm-2", "default/removed", dir_ / "vm-2.sock");
  *state.add_guests() = Named("vm-3", "default/bulk", "/proc/nowhere/vm-3.sock");
  for (GuestSocket& socket : *state.mutable_guests()) socket.set_mode("0600");
  old_.host.reset();
  new_.host->endpoints()->Restore(state);
  ASSERT_TRUE(new_.host->Listen().ok()) << "one guest's trouble became everybody's";
  for (const char* name : {"vm-1.sock", "vm-2.sock"}) {
    Client client = Dial(dir_ / name);
    Turn(&new_);
    EXPECT_EQ(Only(&new_).class_(), name[3] == '1' ? "default/bulk" : "default/gold");
    client.Hangup();
    Turn(&new_);
  }
  EXPECT_EQ(new_.host->endpoints()->guest_sockets().guests_size(), 3);
}

TEST_F(EndpointsTest, ASocketFileThatCannotBeMadeAnewIsAProblemAndCounts) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  const std::string path = dir_ / "1.sock";
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(endpoints.MakeLostAnew(), 1u);
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u) << "it is lost as before";
  EXPECT_FALSE(endpoints.problem(1).ok());
  EXPECT_EQ(endpoints.waiting(), 1u);
  ASSERT_EQ(rmdir(path.c_str()), 0);
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u);
  EXPECT_TRUE(endpoints.problem(1).ok());
  EXPECT_TRUE(TryToConnect(path));
}

TEST_F(EndpointsTest, AWholeDirectoryThatIsWipedIsMadeAnew) {
  options_.configured[0].path = dir_ / "run/0.sock";
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  ASSERT_TRUE(endpoints.Add(Guest("vm-1")).ok());
  std::filesystem::remove_all(dir_ / "run");
  std::filesystem::remove_all(dir_ / "guest");
  EXPECT_EQ(endpoints.MakeLostAnew(), 2u);
  EXPECT_TRUE(TryToConnect(dir_ / "run/0.sock"));
  EXPECT_TRUE(TryToConnect(dir_ / "guest/vm-1.sock"));
}

TEST_F(EndpointsTest, ThousandsOfLostFilesAreMadeSomeAtATime) {
  options_.most_guest_sockets = 600;
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(endpoints.Add(Guest(absl::StrCat("vm-", i))).ok());
  }
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u);
  EXPECT_TRUE(endpoints.more_to_look_at());
  while (endpoints.more_to_look_at()) endpoints.MakeLostAnew();
  std::filesystem::remove_all(dir_ / "guest");
  size_t lost = endpoints.MakeLostAnew();
  EXPECT_LT(lost, 100u);
  while (endpoints.more_to_look_at()) lost += endpoints.MakeLostAnew();
  EXPECT_EQ(lost, 600u);
  EXPECT_TRUE(TryToConnect(dir_ / "guest/vm-0.sock"));
  EXPECT_TRUE(TryToConnect(dir_ / "guest/vm-599.sock"));
}

// The manager would not make it before it starts the service anew.
TEST_F(EndpointsTest, ALostSocketOfAProcessManagerIsMadeAnewAsItWas) {
  auto unit = Listener::Create(
                  {options_.configured[0].path, 0622, ""}, loop_.get(), [](UniqueFd) {},
                  [](const absl::Status&) {})
                  .value();
  std::vector<UniqueFd> passed;
  passed.emplace_back(fcntl(unit->fd(), F_DUPFD_CLOEXEC, 0));
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Inherit(std::move(passed)).ok());
  ASSERT_TRUE(endpoints.Open().ok());
  EXPECT_EQ(endpoints.MakeLostAnew(), 0u);
  EXPECT_EQ(endpoints.activated().size(), 1u);
  const std::string path = options_.configured[0].path;
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_EQ(endpoints.MakeLostAnew(), 1u);
  EXPECT_TRUE(TryToConnect(path));
  struct stat made;
  ASSERT_EQ(stat(path.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0622u) << "not the mode of the configuration";
  EXPECT_TRUE(endpoints.activated().empty()) << "it is this process's now";
}

TEST_F(EndpointsTest, WhereGuestsMayWriteNoSocketIsOpened) {
  const std::string open = dir_ / "open";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0777), 0);
  GuestSocket there = Guest("vm-1");
  there.set_path(open + "/vm-1.sock");
  EXPECT_TRUE(absl::IsFailedPrecondition(Made().Add(there).status()));
  EXPECT_TRUE(std::filesystem::is_empty(open));
  options_.configured[1].path = open + "/1.sock";
  EXPECT_TRUE(absl::IsFailedPrecondition(Made().Open()));
}

TEST_F(EndpointsTest, AtTheStartAListenerWaitsUntilNobodyElseMayWriteInItsDirectory) {
  const std::string open = dir_ / "open";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0777), 0);
  options_.configured[0].path = open + "/0.sock";
  ASSERT_TRUE(Made().OpenOrWait().ok());
  EXPECT_EQ(endpoints_->waiting(), 1u);
  EXPECT_THAT(std::string(endpoints_->problem(0).message()), HasSubstr("chmod go-w"));
  EXPECT_TRUE(TryToConnect(dir_ / "1.sock"));
  endpoints_->OpenWaiting();
  EXPECT_TRUE(std::filesystem::is_empty(open));
  ASSERT_EQ(chmod(open.c_str(), 0755), 0);
  endpoints_->OpenWaiting();
  EXPECT_EQ(endpoints_->waiting(), 0u);
  EXPECT_TRUE(TryToConnect(open + "/0.sock"));
}

// The name service of a site may not answer.
TEST_F(EndpointsTest, AGroupThatIsNotKnownYetKeepsNobodyWaiting) {
  const auto answer = std::make_shared<absl::Notification>();
  options_.find_group = [answer](const std::string&) -> absl::StatusOr<gid_t> {
    answer->WaitForNotification();
    return getegid();
  };
  options_.configured[0].group = "known";
  options_.configured[0].group_id = getegid();
  config::v1::GuestState state;
  *state.add_guests() = Named("vm-1", "default/bulk", dir_ / "vm-1.sock");
  state.mutable_guests(0)->set_mode("0600");
  state.mutable_guests(0)->set_group("far");
  Made().LearnGroups(state);
  endpoints_->Restore(state);
  ASSERT_TRUE(endpoints_->Open().ok());
  EXPECT_TRUE(TryToConnect(dir_ / "0.sock"));
  EXPECT_THAT(std::string(endpoints_->problem(2).message()), HasSubstr("name service"));
  // Asked by an operator, whose thread has found out the number.
  GuestSocket other = Guest("vm-2");
  other.set_group("near");
  EXPECT_TRUE(endpoints_->Add(other, getegid()).ok());
  answer->Notify();
  while (!endpoints_->problem(2).ok()) endpoints_->OpenWaiting();
  EXPECT_TRUE(TryToConnect(dir_ / "vm-1.sock"));
}

TEST_F(EndpointsTest, AtTheStartAListenerWaitsForItsGroupAndTheOthersOpen) {
  const auto answer = std::make_shared<absl::Notification>();
  options_.find_group = [answer](const std::string&) -> absl::StatusOr<gid_t> {
    answer->WaitForNotification();
    return getegid();
  };
  options_.configured[0].group = "far";
  EXPECT_TRUE(absl::IsUnavailable(Made().Open())) << "as in an upgrade";
  ASSERT_TRUE(Made().OpenOrWait().ok());
  EXPECT_EQ(endpoints_->waiting(), 1u);
  EXPECT_TRUE(TryToConnect(dir_ / "1.sock"));
  answer->Notify();
  while (endpoints_->waiting() > 0) endpoints_->OpenWaiting();
  EXPECT_TRUE(TryToConnect(dir_ / "0.sock"));
}

// A successor that does not know the number yet leaves the file as its maker made it.
TEST_F(EndpointsTest, AfterAHandoverAGroupThatIsNotKnownYetIsGivenLater) {
  const auto answer = std::make_shared<absl::Notification>();
  const gid_t other = getegid() + 1;
  options_.find_group = [answer, other](const std::string&) -> absl::StatusOr<gid_t> {
    answer->WaitForNotification();
    return other;
  };
  ASSERT_EQ(geteuid(), 0u) << "run the test as root";
  const std::string path = options_.configured[0].path;
  auto old = Listener::Create(
                 {path, 0600, ""}, loop_.get(), [](UniqueFd) {}, [](const absl::Status&) {})
                 .value();
  options_.configured[0].group = "far";
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Adopt(path, {UniqueFd(fcntl(old->fd(), F_DUPFD_CLOEXEC, 0))}).ok());
  endpoints.Own();
  const auto group = [&path] {
    struct stat found;
    return stat(path.c_str(), &found) == 0 ? found.st_gid : 0;
  };
  EXPECT_EQ(group(), getegid());
  answer->Notify();
  while (group() != other) endpoints.MakeLostAnew();
  old->Disown();
}

}  // namespace
}  // namespace entropyd
