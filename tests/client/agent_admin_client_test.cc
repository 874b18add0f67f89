#include "client/agent_admin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "base/process/fd.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

// Closed when nothing can be bound there.
UniqueFd ListenAt(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return UniqueFd();
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), 8) != 0) {
    fd.reset();
  }
  return fd;
}

// Asks until somebody has connected there, for some seconds at most. Nobody answers.
bool Knocks(AgentAdminClient& agent, const UniqueFd& listening) {
  pollfd waits = {.fd = listening.get(), .events = POLLIN, .revents = 0};
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(agent.GetStatus().ok());
    if (poll(&waits, 1, /*timeout=*/100) == 1) return true;
  }
  return false;
}

TEST(AgentAdminClientTest, AnyPathIsTheSocketsOwn) {
  const TempDir dir;
  for (const std::string place : {"plain", "a,b #x%41", "%2fq?w=é&", "it's"}) {
    ASSERT_EQ(mkdir((dir / place).c_str(), 0700), 0);
    for (const std::string name : {"agent.sock", "c,d #%2C.sock"}) {
      const std::string path = dir / (place + "/" + name);
      const UniqueFd listening = ListenAt(path);
      ASSERT_TRUE(listening) << path;
      const auto agent = AgentAdminClient::Create(path, absl::Milliseconds(200));
      EXPECT_TRUE(Knocks(*agent, listening)) << path;
    }
  }
}

TEST(AgentAdminClientTest, TheNextSocketInADirectoryWithACommaIsFound) {
  const TempDir dir;
  ASSERT_EQ(mkdir((dir / "a,b").c_str(), 0700), 0);
  const std::string path = dir / "a,b/agent.sock";
  const auto agent = AgentAdminClient::Create(path, absl::Milliseconds(200));
  EXPECT_FALSE(agent->GetStatus().ok()) << "there is no socket yet";
  const UniqueFd listening = ListenAt(path);
  ASSERT_TRUE(listening);
  EXPECT_TRUE(Knocks(*agent, listening));
}

}  // namespace
}  // namespace entropyd
