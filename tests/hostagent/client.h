// A client of the agent: the other end of a connection.
#pragma once

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {

using Bytes = std::vector<uint8_t>;

class Client {
 public:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
  void Send(const Bytes& bytes) {
    ASSERT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT),
              static_cast<ssize_t>(bytes.size()));
  }
  // All that is there now.
  Bytes Receive(size_t at_most = 1 << 22) {
    Bytes bytes(at_most);
    size_t got = 0;
    while (got < at_most) {
      const ssize_t n = recv(fd_.get(), bytes.data() + got, at_most - got, MSG_DONTWAIT);
      if (n <= 0) {
        closed_ = n == 0 || errno == ECONNRESET;
        break;
      }
      got += static_cast<size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }
  bool Closed() {
    EXPECT_THAT(Receive(), testing::IsEmpty());
    return closed_;
  }
  void FinishSending() { shutdown(fd_.get(), SHUT_WR); }
  void Hangup() { fd_.reset(); }

 private:
  UniqueFd fd_;
  bool closed_ = false;
};

// Connects to a listener.
inline Client Dial(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return Client(std::move(fd));
}

}  // namespace entropyd
