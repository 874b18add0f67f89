#include "client/egd_client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "base/process/fd.h"
#include "client/process/scratch_dir.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

// Serves one connection and then ends. Replies to 0x02 with `surplus` bytes too many in total, and
// closes after `most` bytes.
class OneShotServer {
 public:
  OneShotServer(const std::string& path, uint64_t surplus, uint64_t most) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.c_str(), path.size() + 1);
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, surplus, most] { Serve(surplus, most); });
  }
  ~OneShotServer() { thread_.join(); }
  uint64_t commands() const { return commands_; }

 private:
  void Serve(uint64_t surplus, uint64_t most) {
    UniqueFd peer(accept(listener_.get(), nullptr, nullptr));
    uint8_t command[2];
    uint64_t sent = 0;
    while (recv(peer.get(), command, 2, MSG_WAITALL) == 2) {
      EXPECT_EQ(command[0], 0x02);
      ++commands_;
      const uint64_t size = std::min<uint64_t>(command[1] + surplus, most - sent);
      const std::string reply(size, 'r');
      send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
      surplus = 0;
      sent += size;
      if (sent == most) return;
    }
  }

  UniqueFd listener_;
  std::atomic<uint64_t> commands_{0};
  std::thread thread_;
};

class EgdClientTest : public testing::Test {
 protected:
  ScratchDir dir_ = ScratchDir::Temporary("egd-client-test").value();
  const std::string path_ = dir_.File("egd.sock");
};

TEST_F(EgdClientTest, ReadsExactlyWhatWasAskedForInFullCommands) {
  for (uint64_t bytes : {1u, 254u, 255u, 256u, 70000u}) {
    unlink(path_.c_str());
    uint64_t commands;
    {
      OneShotServer server(path_, 0, 1 << 30);
      const auto draw = DrawFromEgd(path_, bytes, absl::Seconds(30));
      ASSERT_TRUE(draw.ok()) << draw.status();
      EXPECT_EQ(draw->bytes, bytes);
      EXPECT_GT(draw->seconds, 0);
      commands = server.commands();
    }
    EXPECT_LE(commands, (bytes + 254) / 255);
  }
}

TEST_F(EgdClientTest, AConnectionThatClosesEarlyIsDataLoss) {
  OneShotServer server(path_, 0, 100);
  const auto draw = DrawFromEgd(path_, 200, absl::Seconds(30));
  EXPECT_EQ(draw.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(draw.status().message()), testing::HasSubstr("100 of 200"));
}

TEST_F(EgdClientTest, ABytesMoreThanAskedForIsDataLoss) {
  OneShotServer server(path_, 1, 1 << 30);
  EXPECT_EQ(DrawFromEgd(path_, 10, absl::Seconds(30)).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(EgdClientTest, AMissingSocketIsNotFound) {
  EXPECT_EQ(DrawFromEgd(path_, 10, absl::Seconds(30)).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace entropyd
