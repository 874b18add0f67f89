#include "hostagent/endpoint/endpoints.h"

#include <fcntl.h>
#include <sys/stat.h>
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
#include "tests/hostagent/endpoint/endpoints_rig.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

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

// What is written must be accepted when it is read.
TEST_F(EndpointsTest, NoPathIsGivenTwiceAlsoWhenItsFileIsLost) {
  Endpoints& endpoints = Made();
  ASSERT_TRUE(endpoints.Open().ok());
  const auto first = endpoints.Add(Guest("vm-1"));
  ASSERT_TRUE(first.ok()) << first.status();
  std::filesystem::remove(first->path());
  GuestSocket second = Guest("vm-2");
  second.set_path(first->path());
  EXPECT_TRUE(absl::IsAlreadyExists(endpoints.Add(second).status()));
  EXPECT_EQ(endpoints.guest_sockets().guests_size(), 1);
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
