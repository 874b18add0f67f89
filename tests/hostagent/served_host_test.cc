#include "hostagent/served_host.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/served_host.h"

namespace entropyd {
namespace {

TEST_F(ServedHostTest, ListenersServeConnectionsOfTheirClass) {
  ASSERT_TRUE(host_->Listen().ok());
  Arrive(100);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& path = settings_.listeners[kEgd].path;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Client client(std::move(fd));
  client.Send({0x02, 32});
  Turn();
  Turn();
  EXPECT_EQ(client.Receive(), StreamBytes(0, 32));
  EXPECT_EQ(OnlyGuest().listener(), path);
  EXPECT_EQ(OnlyGuest().pid(), getpid());
  EXPECT_EQ(OnlyGuest().name(), "hostagent_test");
  host_->StopListening();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(ServedHostTest, AListenerThatCannotOpenClosesTheOthers) {
  settings_.listeners[kEgd].group = "no-such-group";
  host_ = ServedHost::Create(settings_, loop_.get(), arena_.get(), &log_, metrics_.get()).value();
  EXPECT_EQ(host_->Listen().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(access(settings_.listeners[kAuto].path.c_str(), F_OK), 0);
}

TEST_F(ServedHostTest, NoSecretStaysInTheStagingArea) {
  Arrive(5'000);
  Client client = Connect(kAuto, {0x02, 255, 0x02, 255});
  EXPECT_EQ(client.Receive().size(), 510u);
  client.Hangup();
  Turn();
  // When nothing else holds memory, a new block lies where the old one was. It must be zero.
  const size_t used = arena_->used_bytes();
  host_.reset();
  EXPECT_EQ(arena_->used_bytes(), 0u);
  SecretBytes all = arena_->Allocate(used).value();
  EXPECT_TRUE(std::all_of(all.data(), all.data() + all.size(), [](uint8_t b) { return b == 0; }));
}

}  // namespace
}  // namespace entropyd
