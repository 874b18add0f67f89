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

// Looks at the memory itself while the connection lives: whatever is given back is wiped then.
TEST_F(ServedHostTest, NoSecretStaysInTheStagingArea) {
  // The arena gives its lowest memory first, so that the host's lies behind this block.
  host_.reset();
  const SecretBytes first = arena_->Allocate(1).value();
  host_ = ServedHost::Create(settings_, loop_.get(), arena_.get(), &log_, metrics_.get()).value();
  const auto in_memory = [&](const Bytes& wanted) {
    const uint8_t* const end = first.data() + arena_->capacity_bytes();
    return std::search(first.data(), end, wanted.begin(), wanted.end()) != end;
  };
  Arrive(5'000);
  ASSERT_TRUE(in_memory(StreamBytes(400, 16))) << "what nobody has had is in the buffer";
  Client client = Connect(kAuto, {0x02, 255, 0x02, 255});
  EXPECT_EQ(client.Receive(), StreamBytes(0, 510));
  ASSERT_TRUE(in_memory(StreamBytes(512, 16)));
  for (uint64_t place = 0; place + 16 <= 510; place += 8) {
    ASSERT_FALSE(in_memory(StreamBytes(place, 16))) << "byte " << place;
  }
}

}  // namespace
}  // namespace entropyd
