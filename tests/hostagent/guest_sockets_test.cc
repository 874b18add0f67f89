// Sockets for single guests: made and removed while the agent runs, kept in a file, handed over.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "tests/hostagent/two_services.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;
using testing::HasSubstr;
using testing::SizeIs;

GuestSocket Named(const std::string& name, const std::string& class_name = "",
                  const std::string& path = "") {
  GuestSocket socket;
  socket.set_name(name);
  socket.set_class_(class_name);
  socket.set_path(path);
  return socket;
}

class GuestSocketsTest : public TwoServicesTest {
 protected:
  void Configure() override {
    settings_.guest_socket_dir = dir_ / "guest";
    settings_.classes.push_back(
        {"default/bulk", 4 << 20, int64_t{60'000'000'000}, ClassTree::kUnlimited, "block"});
  }
  absl::Status Refusal(const GuestSocket& asked) {
    return old_.service->AddGuestSocket(asked).status();
  }
  v1::Guest Only(Side* side) {
    v1::ListGuestsResponse guests;
    side->service->FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), 1);
    return guests.guest_size() == 1 ? guests.guest(0) : v1::Guest();
  }
};

TEST_F(GuestSocketsTest, ASocketIsItsGuestsIdentityAndClass) {
  const GuestSocket socket = old_.service->AddGuestSocket(Named("vm-1", "default/bulk")).value();
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
  old_.service->buffers()[1]->Append(StreamBytes(0, 1'000));
  old_.service->OnArrival(1);
  Turn(&old_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
}

TEST_F(GuestSocketsTest, HypervisorsOfOtherUsersMayEnterTheDirectory) {
  const mode_t before = umask(0077);
  const auto socket = old_.service->AddGuestSocket(Named("vm-1"));
  umask(before);
  ASSERT_TRUE(socket.ok()) << socket.status();
  struct stat found;
  ASSERT_EQ(stat((dir_ / "guest").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0755u);
}

TEST_F(GuestSocketsTest, WhatIsLeftOutIsTheFirstListeners) {
  EXPECT_EQ(old_.service->AddGuestSocket(Named("vm-1")).value().class_(), "default/gold");
}

TEST_F(GuestSocketsTest, ARemovedSocketIsGoneWithItsConnections) {
  const GuestSocket socket = old_.service->AddGuestSocket(Named("vm-1")).value();
  Client client = Dial(socket.path());
  Turn(&old_);
  EXPECT_TRUE(old_.service->RemoveGuestSocket("vm-1").ok());
  Turn(&old_);
  EXPECT_TRUE(client.Closed());
  EXPECT_FALSE(std::filesystem::exists(socket.path()));
  EXPECT_EQ(old_.service->GuestSockets().guests_size(), 0);
  EXPECT_TRUE(absl::IsNotFound(old_.service->RemoveGuestSocket("vm-1").status()));
  EXPECT_TRUE(old_.service->AddGuestSocket(Named("vm-1")).ok());
}

TEST_F(GuestSocketsTest, ComingAndGoingNeedsNoMorePlaces) {
  for (int i = 0; i < 500; ++i) {
    const std::string name = absl::StrCat("vm-", i);
    ASSERT_TRUE(old_.service->AddGuestSocket(Named(name)).ok());
    ASSERT_TRUE(old_.service->RemoveGuestSocket(name).ok());
  }
  v1::GetStatusResponse status;
  old_.service->FillStatus(&status);
  EXPECT_EQ(status.listener_size(), 2);
}

TEST_F(GuestSocketsTest, RefusalsNameTheRemedy) {
  ASSERT_TRUE(old_.service->AddGuestSocket(Named("vm-1")).ok());
  EXPECT_THAT(std::string(Refusal(Named("vm-1")).message()), HasSubstr("guests remove vm-1"));
  EXPECT_TRUE(absl::IsAlreadyExists(Refusal(Named("vm-2", "", dir_ / "guest/vm-1.sock"))));
  EXPECT_TRUE(absl::IsAlreadyExists(Refusal(Named("vm-2", "", dir_ / "0.sock"))));
  const absl::Status unknown = Refusal(Named("vm-2", "default/none"));
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("default/gold, default/bulk"));
  GuestSocket grouped = Named("vm-2");
  grouped.set_group("no-such-group");
  EXPECT_TRUE(absl::IsNotFound(Refusal(grouped)));
  GuestSocket moded = Named("vm-2");
  moded.set_mode("0888");
  EXPECT_THAT(std::string(Refusal(moded).message()), HasSubstr("0660"));
  for (const char* bad : {"", "-x", "../x", "a b", "a/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Refusal(Named(bad)))) << bad;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Refusal(Named("vm-2", "", "relative"))));
  EXPECT_EQ(old_.service->GuestSockets().guests_size(), 1);
}

TEST_F(GuestSocketsTest, SocketsAndTheirGuestsCrossAHandover) {
  ASSERT_TRUE(old_.service->AddGuestSocket(Named("gone")).ok());
  const GuestSocket socket = old_.service->AddGuestSocket(Named("vm-1", "default/bulk")).value();
  ASSERT_TRUE(old_.service->RemoveGuestSocket("gone").ok());
  Client client = Dial(socket.path());
  client.Send({0x02, 0x40});
  Turn(&old_);
  // What the file said when the new process started is stale.
  new_.service->RestoreGuestSockets([] {
    config::v1::GuestState state;
    *state.add_guests() = Named("gone", "default/gold", "/nowhere/gone.sock");
    return state;
  }());
  Move();
  EXPECT_EQ(Only(&new_).name(), "vm-1");
  EXPECT_EQ(Only(&new_).class_(), "default/bulk");
  EXPECT_EQ(new_.service->GuestSockets().guests_size(), 1);
  new_.service->buffers()[1]->Append(StreamBytes(0, 1'000));
  new_.service->OnArrival(1);
  Turn(&new_);
  EXPECT_THAT(client.Receive(), SizeIs(64));
  Client another = Dial(socket.path());
  Turn(&new_);
  EXPECT_EQ(new_.service->guests(), 2u);
  EXPECT_TRUE(new_.service->RemoveGuestSocket("vm-1").ok());
  EXPECT_FALSE(std::filesystem::exists(socket.path()));
}

TEST_F(GuestSocketsTest, ThoseOfAnEarlierProcessAreOpenedAgain) {
  config::v1::GuestState state;
  *state.add_guests() = Named("vm-1", "default/bulk", dir_ / "vm-1.sock");
  *state.add_guests() = Named("vm-2", "default/removed", dir_ / "vm-2.sock");
  *state.add_guests() = Named("vm-3", "default/bulk", "/proc/nowhere/vm-3.sock");
  for (GuestSocket& socket : *state.mutable_guests()) socket.set_mode("0600");
  old_.service.reset();
  new_.service->RestoreGuestSockets(state);
  ASSERT_TRUE(new_.service->Listen().ok()) << "one guest's trouble became everybody's";
  for (const char* name : {"vm-1.sock", "vm-2.sock"}) {
    Client client = Dial(dir_ / name);
    Turn(&new_);
    EXPECT_EQ(Only(&new_).class_(), name[3] == '1' ? "default/bulk" : "default/gold");
    client.Hangup();
    Turn(&new_);
  }
  EXPECT_EQ(new_.service->GuestSockets().guests_size(), 3);
}

TEST(GuestSocketsFileTest, WhatIsSavedIsLoaded) {
  TempDir dir;
  EXPECT_EQ(LoadGuestSockets(dir.path()).value().guests_size(), 0);
  config::v1::GuestState state;
  state.set_version(1);
  GuestSocket socket = Named("vm-1", "default/gold", "/run/a \"b\" \\c.sock");
  socket.set_mode("0660");
  *state.add_guests() = socket;
  socket.set_name("vm-2");
  socket.set_group("kvm");
  *state.add_guests() = socket;
  ASSERT_TRUE(SaveGuestSockets(dir.path(), state).ok());
  EXPECT_EQ(LoadGuestSockets(dir.path()).value().SerializeAsString(), state.SerializeAsString());
  state.clear_guests();
  ASSERT_TRUE(SaveGuestSockets(dir.path(), state).ok());
  EXPECT_EQ(LoadGuestSockets(dir.path()).value().guests_size(), 0);
}

TEST(GuestSocketsFileTest, AFileThatCannotBeIsRefusedWithTheRemedy) {
  TempDir dir;
  const std::string entry =
      "  - {name: a, class: default/gold, path: /run/a.sock, mode: \"0660\"}\n";
  for (const std::string& text :
       {std::string("version: 2\n"), std::string("nonsense"),
        "version: 1\nguests:\n" + entry + entry,
        std::string(
            "version: 1\nguests: [{name: \"../a\", class: p/c, path: /a, mode: \"0660\"}]\n")}) {
    std::ofstream(GuestSocketsPath(dir.path())) << text;
    const absl::Status status = LoadGuestSockets(dir.path()).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("mend it, or remove it")) << text;
  }
}

}  // namespace
}  // namespace entropyd
