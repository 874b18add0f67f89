// Sockets for single guests: made and removed while the agent runs, kept in a file, handed over.
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/endpoint/endpoints_rig.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;
using testing::HasSubstr;
using testing::SizeIs;

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

}  // namespace
}  // namespace entropyd
