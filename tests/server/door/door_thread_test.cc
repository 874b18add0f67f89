#include "server/door/door_thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "gtest/gtest.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

class DoorThreadTest : public ::testing::Test {
 protected:
  DoorThreadTest() {
    absl::StatusOr<std::unique_ptr<Door>> door = Door::Open({.address = "[::]:0",
                                                             .limits = {.connections = 1000,
                                                                        .strangers = 500,
                                                                        .per_address = 400,
                                                                        .per_identity = 1000}},
                                                            &clock_, &log_, &metrics_);
    EXPECT_TRUE(door.ok()) << door.status();
    door_ = *std::move(door);
  }
  Door::Receive receive() {
    return [this](UniqueFd connection, Door::Id id) {
      door_->Vouch(id, "i", [] { return true; });
      absl::MutexLock lock(&mutex_);
      held_.push_back(std::move(connection));
    };
  }
  UniqueFd Connect() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in there = {};
    there.sin_family = AF_INET;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(static_cast<uint16_t>(door_->port()));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    return fd;
  }
  bool AwaitReceived(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto all = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return held_.size() == count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(30));
  }
  size_t received() {
    absl::MutexLock lock(&mutex_);
    return held_.size();
  }

  ManualClock clock_;
  FakeLog log_{&clock_};
  Metrics metrics_;
  absl::Mutex mutex_;
  std::vector<UniqueFd> held_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Door> door_;
};

TEST_F(DoorThreadTest, TheDoorServesUntilItIsStopped) {
  DoorThread thread(door_.get());
  const absl::Status started = thread.Start(receive());
  ASSERT_TRUE(started.ok()) << started;
  std::vector<UniqueFd> peers;
  for (int i = 0; i < 100; ++i) {
    peers.push_back(Connect());
    // What calls and the ticking thread do meanwhile.
    EXPECT_TRUE(door_->Introduce("ipv4:127.0.0.1:1", "i").ok());
    door_->Denied("ipv4:127.0.0.1:1", "i");
    door_->Recheck();
    door_->EndShutOut();
  }
  EXPECT_TRUE(AwaitReceived(100));
  thread.Stop();
  const UniqueFd late = Connect();
  EXPECT_EQ(received(), 100u);
}

TEST_F(DoorThreadTest, ItStopsWithItsOwnerAndAnotherOneGoesOn) {
  {
    DoorThread thread(door_.get());
    ASSERT_TRUE(thread.Start(receive()).ok());
  }
  const UniqueFd peer = Connect();
  DoorThread thread(door_.get());
  ASSERT_TRUE(thread.Start(receive()).ok());
  EXPECT_TRUE(AwaitReceived(1));
}

TEST_F(DoorThreadTest, OneThatWasNeverStartedStops) {
  DoorThread thread(door_.get());
  thread.Stop();
  EXPECT_EQ(received(), 0u);
}

}  // namespace
}  // namespace entropyd
