#include "base/telemetry/http_front.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"
#include "tests/own_network.h"

namespace entropyd {
namespace {

// A front that answers each request with its head, or keeps it.
class HttpFrontTest : public ::testing::Test {
 protected:
  void Start(const HttpFront::Limits& limits = {}, const char* address = "127.0.0.1:0") {
    absl::StatusOr<ListenSockets> sockets = ListenOn(address);
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    port_ = sockets->port;
    absl::StatusOr<std::unique_ptr<HttpFront>> front =
        HttpFront::Create(*std::move(sockets), limits);
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    const absl::Status started = front_->Start(
        [this](uint64_t id, std::string head) {
          absl::MutexLock lock(&mutex_);
          ids_.push_back(id);
          if (!keep_) front_->Reply(id, reply_.empty() ? head : reply_);
        },
        [this](HttpFront::Refusal refusal) {
          absl::MutexLock lock(&mutex_);
          ++(refusal == HttpFront::Refusal::kLate ? late_ : full_);
        });
    ASSERT_TRUE(started.ok()) << started;
  }
  void TearDown() override { front_.reset(); }

  UniqueFd Connect(const char* from = "127.0.0.1") const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, from, &address.sin_addr);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    LimitPatience(fd);
    return fd;
  }
  static void LimitPatience(const UniqueFd& fd) {
    const timeval patience = {.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  UniqueFd ConnectV6(const char* from) const {
    UniqueFd fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    inet_pton(AF_INET6, from, &address.sin6_addr);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << from;
    address.sin6_port = htons(static_cast<uint16_t>(port_));
    address.sin6_addr = in6addr_loopback;
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    LimitPatience(fd);
    return fd;
  }
  static void Send(const UniqueFd& fd, const std::string& text) {
    send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  static std::string Receive(const UniqueFd& fd) {
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }
  // The server has closed it.
  static bool Closed(const UniqueFd& fd) {
    char byte = 0;
    const ssize_t n = recv(fd.get(), &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
  }
  // Waits until the server has closed it, but not longer than so. False = it is open.
  static bool AwaitClosed(const UniqueFd& fd, absl::Duration patience) {
    pollfd polled = {fd.get(), POLLIN, 0};
    poll(&polled, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
    return Closed(fd);
  }
  // Waits until a connection was too late.
  void AwaitLate() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](std::atomic<int>* late) { return *late > 0; }, &late_));
  }
  void AwaitRequests(size_t count) {
    absl::MutexLock lock(&mutex_);
    wanted_ = count;
    mutex_.Await(absl::Condition(this, &HttpFrontTest::HasRequests));
  }
  bool HasRequests() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ids_.size() >= wanted_; }

  int port_ = 0;
  std::string reply_;
  bool keep_ = false;
  std::atomic<int> late_{0};
  std::atomic<int> full_{0};
  absl::Mutex mutex_;
  std::vector<uint64_t> ids_ ABSL_GUARDED_BY(mutex_);
  size_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<HttpFront> front_;
};

TEST_F(HttpFrontTest, ARequestMayComeInPieces) {
  Start();
  const UniqueFd fd = Connect();
  for (const char* piece : {"GET / HTTP/1.1\r\nHost: x\r", "\n\r", "\n"}) Send(fd, piece);
  EXPECT_EQ(Receive(fd), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

TEST_F(HttpFrontTest, WhatFollowsTheRequestIsLeftAlone) {
  Start();
  const UniqueFd fd = Connect();
  Send(fd, "GET / HTTP/1.1\r\n\r\nGET /again HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(fd), "GET / HTTP/1.1\r\n\r\n");
}

TEST_F(HttpFrontTest, ARequestThatDoesNotEndInTimeIsClosed) {
  Start({.patience = absl::Milliseconds(50)});
  const UniqueFd silent = Connect();
  const UniqueFd half = Connect();
  Send(half, "GET / HT");
  EXPECT_EQ(Receive(silent), "");
  EXPECT_EQ(Receive(half), "");
  front_.reset();
  EXPECT_EQ(late_, 2);
}

TEST_F(HttpFrontTest, BytesThatDripDoNotMakeTheTimeLonger) {
  Start({.patience = absl::Milliseconds(200)});
  const UniqueFd fd = Connect();
  const absl::Time start = absl::Now();
  // The kernel tells of the end while the test waits for the moment of the next byte.
  do {
    Send(fd, "G");
  } while (!AwaitClosed(fd, absl::Milliseconds(5)) && absl::Now() < start + absl::Seconds(10));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  AwaitLate();
}

TEST_F(HttpFrontTest, AReplyThatIsNotTakenInTimeIsGivenUp) {
  reply_ = std::string(64 << 20, 'x');
  Start({.patience = absl::Milliseconds(50)});
  const UniqueFd fd = Connect();
  Send(fd, "GET / HTTP/1.1\r\n\r\n");
  AwaitLate();
  EXPECT_LT(Receive(fd).size(), reply_.size());
}

TEST_F(HttpFrontTest, ALongReplyArrivesWhole) {
  reply_ = std::string(16 << 20, 'x');
  Start();
  const UniqueFd fd = Connect();
  Send(fd, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(fd).size(), reply_.size());
}

TEST_F(HttpFrontTest, ARequestThatIsTooLongIsClosed) {
  Start({.patience = absl::Seconds(100), .head_bytes = 100});
  const UniqueFd fd = Connect();
  Send(fd, std::string(100, 'A'));
  EXPECT_EQ(Receive(fd), "");
  EXPECT_TRUE(Closed(fd)) << "and not only silent";
}

TEST_F(HttpFrontTest, WhatIsNoHttpIsToldSoAtOnce) {
  Start({.patience = absl::Seconds(100)});
  const UniqueFd fd = Connect();
  Send(fd, "\x16\x03\x01");
  EXPECT_EQ(Receive(fd).substr(0, 24), "HTTP/1.1 400 Bad Request");
}

TEST_F(HttpFrontTest, ANewConnectionTakesThePlaceOfTheOldest) {
  Start({.connections = 3});
  std::vector<UniqueFd> open;
  for (int i = 0; i < 3; ++i) open.push_back(Connect());
  const UniqueFd probe = Connect();
  Send(probe, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(probe), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(open[0]), "");
  EXPECT_FALSE(Closed(open[1]));
  EXPECT_FALSE(Closed(open[2]));
  EXPECT_EQ(full_, 1);
}

TEST_F(HttpFrontTest, AnAddressThatHasManyMakesRoomForOneThatHasFew) {
  Start({.connections = 3});
  const UniqueFd oldest = Connect("127.0.0.2");
  const UniqueFd first = Connect("127.0.0.3");
  const UniqueFd second = Connect("127.0.0.3");
  const UniqueFd other = Connect("127.0.0.4");
  Send(other, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(other), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(first), "");
  EXPECT_FALSE(Closed(oldest));
  EXPECT_FALSE(Closed(second));
}

TEST_F(HttpFrontTest, AddressesOfOneIpv6NetworkCountAsOne) {
  InNetworkOf({"2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:2:f::2"}, [&] {
    Start({.connections = 3}, "[::]:0");
    const UniqueFd oldest = ConnectV6("2001:db8:0:1::1");
    const UniqueFd first = ConnectV6("2001:db8:0:2::1");
    const UniqueFd second = ConnectV6("2001:db8:0:2:f::2");
    const UniqueFd other = ConnectV6("::1");
    Send(other, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(Receive(other), "GET / HTTP/1.1\r\n\r\n");
    EXPECT_FALSE(Closed(oldest));
    EXPECT_TRUE(Closed(first));
    EXPECT_FALSE(Closed(second));
  });
}

TEST_F(HttpFrontTest, Ipv4AddressesAtAnIpv6SocketAreNotOneNetwork) {
  Start({.connections = 3}, "[::]:0");
  const UniqueFd oldest = Connect("127.0.0.2");
  const UniqueFd first = Connect("127.0.0.3");
  const UniqueFd second = Connect("127.0.0.3");
  const UniqueFd other = Connect("127.0.0.4");
  Send(other, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(other), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(first), "");
  EXPECT_FALSE(Closed(oldest));
  EXPECT_FALSE(Closed(second));
}

TEST_F(HttpFrontTest, ARequestThatIsBeingAnsweredKeepsItsPlace) {
  keep_ = true;
  Start({.connections = 2});
  const UniqueFd working = Connect();
  Send(working, "GET / HTTP/1.1\r\n\r\n");
  AwaitRequests(1);
  const UniqueFd silent = Connect();
  const UniqueFd late = Connect();
  EXPECT_EQ(Receive(silent), "");
  uint64_t id = 0;
  {
    absl::MutexLock lock(&mutex_);  // the port's thread takes it, too
    id = ids_[0];
  }
  front_->Reply(id, "done");
  EXPECT_EQ(Receive(working), "done");
}

TEST_F(HttpFrontTest, WithoutDescriptorsOneAfterAnotherIsServed) {
  Start();
  const UniqueFd warm = Connect();
  Send(warm, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(Receive(warm), "");
  std::vector<UniqueFd> probes;
  for (int i = 0; i < 3; ++i) probes.push_back(UniqueFd(socket(AF_INET, SOCK_STREAM, 0)));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<UniqueFd> all;
  for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) all.emplace_back(fd);
  for (const UniqueFd& probe : probes) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    Send(probe, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(Receive(probe), "GET / HTTP/1.1\r\n\r\n");
  }
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(HttpFrontTest, TheEndClosesWhatHasNotAskedAndRepliesToWhatHas) {
  keep_ = true;
  Start();
  const UniqueFd silent = Connect();
  const UniqueFd asked = Connect();
  Send(asked, "GET / HTTP/1.1\r\n\r\n");
  AwaitRequests(1);
  {
    absl::MutexLock lock(&mutex_);
    front_->Reply(ids_[0], "done");
  }
  front_->End();
  EXPECT_EQ(Receive(silent), "");
  EXPECT_EQ(Receive(asked), "done");
}

}  // namespace
}  // namespace entropyd
