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
  settings_.listeners[kEgd].group = "4294967295";  // no name service is asked for a number
  host_ = ServedHost::Create(settings_, loop_.get(), arena_.get(), &log_, metrics_.get()).value();
  EXPECT_EQ(host_->Listen().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(access(settings_.listeners[kAuto].path.c_str(), F_OK), 0);
}

TEST_F(ServedHostTest, AResumeIsOneForAllClasses) {
  MakeWithSilver();
  int64_t boot = 5;
  CloneGuard::Options options;
  options.machine.monotonic_nanos = [] { return 5; };
  options.machine.boot_nanos = [&boot] { return boot; };
  options.machine.vmclock = "/nowhere";
  host_->SetCloneGuard(CloneGuard::Create(std::move(options)).value());
  Turn();
  ServedClass* const gold = host_->classes()[0];
  ServedClass* const silver = host_->classes()[1];
  FakeFiller filler;
  for (ServedClass* one : {gold, silver}) {
    one->SetFiller(&filler);
    one->buffer()->SetFullEntropy(true);
    one->buffer()->Append(StreamBytes(0, 1'000));
  }
  boot += kSecondNanos;
  uint8_t taken[1];
  EXPECT_EQ(gold->Take(absl::MakeSpan(taken)), 0u);
  Turn();
  EXPECT_EQ(silver->buffer()->level(), 0u);
  EXPECT_EQ(filler.resumes, 2);
  // What the new stream brings is nobody else's.
  silver->buffer()->Append(StreamBytes(1'000, 100));
  EXPECT_EQ(silver->Take(absl::MakeSpan(taken)), 1u);
  EXPECT_EQ(filler.resumes, 2);
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

TEST_F(ServedHostTest, WhoGuestsAreIsAskedOnlyWhereAListenerWantsToKnow) {
  const auto asks = [this] { return host_->assignment()->Asks(config::v1::IDENTIFY_CGROUP); };
  ASSERT_TRUE(host_->StartIdentities(settings_, dir_ / "libvirt").ok());
  EXPECT_FALSE(asks());
  settings_.listeners[0].identify = config::v1::IDENTIFY_CGROUP;
  ASSERT_TRUE(host_->StartIdentities(settings_, dir_ / "libvirt").ok());
  EXPECT_TRUE(asks());
  host_->StopIdentities();
  EXPECT_FALSE(asks());
}

}  // namespace
}  // namespace entropyd
