#include "hostagent/endpoint/guest_sockets_file.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;
using testing::HasSubstr;

GuestSocket SocketOf(const std::string& name, const std::string& class_name,
                     const std::string& path) {
  GuestSocket socket;
  socket.set_name(name);
  socket.set_class_(class_name);
  socket.set_path(path);
  return socket;
}

TEST(GuestSocketsFileTest, WhatIsSavedIsLoaded) {
  TempDir dir;
  EXPECT_EQ(LoadGuestSockets(dir.path()).value().guests_size(), 0);
  config::v1::GuestState state;
  state.set_version(1);
  GuestSocket socket = SocketOf("vm-1", "default/gold", "/run/a \"b\" \\c.sock");
  socket.set_mode("0660");
  *state.add_guests() = socket;
  socket.set_name("vm-2");
  socket.set_path("/run/b.sock");
  socket.set_group("kvm");
  *state.add_guests() = socket;
  ASSERT_TRUE(SaveGuestSockets(dir.path(), state).ok());
  EXPECT_EQ(LoadGuestSockets(dir.path()).value().SerializeAsString(), state.SerializeAsString());
  state.clear_guests();
  ASSERT_TRUE(SaveGuestSockets(dir.path(), state).ok());
  EXPECT_EQ(LoadGuestSockets(dir.path()).value().guests_size(), 0);
}

TEST(GuestSocketsFileTest, AnEmptyFileKeepsNothing) {
  TempDir dir;
  std::ofstream(GuestSocketsPath(dir.path())).flush();
  const auto state = LoadGuestSockets(dir.path());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->guests_size(), 0);
  EXPECT_EQ(state->version(), 1u);
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

TEST(GuestSocketsFileTest, AFileOfANewerVersionSaysThatItIsOne) {
  TempDir dir;
  for (const char* version : {"2", "99999999999"}) {
    std::ofstream(GuestSocketsPath(dir.path())) << "version: " << version << "\n";
    EXPECT_THAT(std::string(LoadGuestSockets(dir.path()).status().message()),
                HasSubstr("was written by a newer entropyd; this one reads version 1"))
        << version;
  }
}

}  // namespace
}  // namespace entropyd
