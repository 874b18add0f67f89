#include "base/telemetry/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/own_network.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

UniqueFd Connect(int port, bool v6 = false) {
  UniqueFd fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a4 = {};
  a4.sin_family = AF_INET;
  a4.sin_port = htons(static_cast<uint16_t>(port));
  a4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 a6 = {};
  a6.sin6_family = AF_INET6;
  a6.sin6_port = a4.sin_port;
  a6.sin6_addr = in6addr_loopback;
  const int rc = v6 ? connect(fd.get(), reinterpret_cast<sockaddr*>(&a6), sizeof a6)
                    : connect(fd.get(), reinterpret_cast<sockaddr*>(&a4), sizeof a4);
  if (rc != 0) fd.reset();
  return fd;
}

void Send(const UniqueFd& fd, const std::string& text) {
  ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

std::string ReceiveAll(const UniqueFd& fd) {
  std::string all;
  char buffer[4096];
  // A server that answers nobody fails a test and does not stop it.
  const timeval patience = {.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (ssize_t n; (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    all.append(buffer, static_cast<size_t>(n));
  }
  return all;
}

struct Reply {
  std::string status, head, body;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void StartAt(const std::string& address) {
    absl::StatusOr<std::unique_ptr<HttpServer>> server =
        HttpServer::Start({.address = address,
                           .healthy = [this] { return healthy_; },
                           .ready = [this] { return ready_; },
                           .pages = pages_,
                           .limits = limits_},
                          &metrics_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  Reply Ask(const std::string& method, const std::string& path, bool v6 = false) {
    UniqueFd fd = Connect(server_->port(), v6);
    Send(fd, absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    std::pair<std::string, std::string> parts =
        absl::StrSplit(ReceiveAll(fd), absl::MaxSplits("\r\n\r\n", 1));
    std::pair<std::string, std::string> first =
        absl::StrSplit(parts.first, absl::MaxSplits("\r\n", 1));
    return {first.first, first.second, parts.second};
  }

  Metrics metrics_;
  std::map<std::string, std::function<absl::StatusOr<std::string>()>> pages_;
  HttpFront::Limits limits_;
  absl::Status healthy_, ready_;  // set between requests only
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesMetricsAsPrometheusReadsThem) {
  metrics_.AddCounter("c_total", "C.")->Increment(3);
  StartAt("127.0.0.1:0");
  EXPECT_GT(server_->port(), 0);
  Reply reply = Ask("GET", "/metrics");
  EXPECT_EQ(reply.status, "HTTP/1.1 200 OK");
  EXPECT_THAT(reply.head, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_EQ(reply.body, "# HELP c_total C.\n# TYPE c_total counter\nc_total 3\n");
}

TEST_F(HttpServerTest, HealthAndReadinessAreIndependent) {
  StartAt("127.0.0.1:0");
  EXPECT_EQ(Ask("GET", "/healthz").body, "ok\n");
  EXPECT_EQ(Ask("GET", "/readyz").body, "ok\n");
  ready_ = absl::UnavailableError("no pool is ready");
  EXPECT_EQ(Ask("GET", "/healthz").status, "HTTP/1.1 200 OK");
  Reply reply = Ask("GET", "/readyz");
  EXPECT_EQ(reply.status, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(reply.body, "no pool is ready\n");
  healthy_ = absl::InternalError("DRBG failed");
  EXPECT_EQ(Ask("GET", "/healthz").body, "DRBG failed\n");
}

TEST_F(HttpServerTest, AbsentChecksAreOk) {
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
      {.address = "127.0.0.1:0", .healthy = nullptr, .ready = nullptr}, &metrics_);
  ASSERT_TRUE(server.ok());
  server_ = *std::move(server);
  EXPECT_EQ(Ask("GET", "/readyz").body, "ok\n");
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  StartAt("127.0.0.1:0");
  for (const char* path : {"/metrics", "/healthz", "/readyz", "/"}) {
    Reply reply = Ask("HEAD", path);
    EXPECT_EQ(reply.status, "HTTP/1.1 200 OK") << path;
    EXPECT_EQ(reply.body, "") << path;
  }
  ready_ = absl::UnavailableError("no pool is ready");
  EXPECT_EQ(Ask("HEAD", "/readyz").status, "HTTP/1.1 503 Service Unavailable");
}

TEST_F(HttpServerTest, TheRootNamesThePaths) {
  StartAt("127.0.0.1:0");
  Reply reply = Ask("GET", "/");
  EXPECT_EQ(reply.status, "HTTP/1.1 200 OK");
  for (const char* path : {"/metrics", "/healthz", "/readyz"})
    EXPECT_THAT(reply.body, HasSubstr(path));
}

TEST_F(HttpServerTest, OtherPathsAndMethodsAreRefused) {
  StartAt("127.0.0.1:0");
  Reply reply = Ask("GET", "/etc/passwd");
  EXPECT_EQ(reply.status, "HTTP/1.1 404 Not Found");
  EXPECT_EQ(reply.body, "not here; see /\n");
  reply = Ask("DELETE", "/metrics");
  EXPECT_EQ(reply.status, "HTTP/1.1 405 Method Not Allowed");
  EXPECT_THAT(reply.head, HasSubstr("Allow: GET, HEAD"));
}

TEST_F(HttpServerTest, GarbageDoesNotHarmOthers) {
  StartAt("127.0.0.1:0");
  for (const std::string& text : {std::string("\x16\x03\x01\x00\xa5\x01"),
                                  std::string("GET\r\n\r\n"), std::string(100'000, 'A')}) {
    UniqueFd fd = Connect(server_->port());
    send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    shutdown(fd.get(), SHUT_WR);
    ReceiveAll(fd);
  }
  EXPECT_EQ(Ask("GET", "/healthz").body, "ok\n");
}

TEST_F(HttpServerTest, ServesIpv6) {
  InNetworkOf({}, [&] {
    StartAt("[::1]:0");
    EXPECT_EQ(Ask("GET", "/healthz", /*v6=*/true).body, "ok\n");
  });
}

TEST_F(HttpServerTest, APortInUseIsAnError) {
  StartAt("127.0.0.1:0");
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  absl::StatusOr<std::unique_ptr<HttpServer>> second =
      HttpServer::Start({.address = address, .healthy = nullptr, .ready = nullptr}, &metrics_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.status().message(),
            absl::StrCat("listen on ", address,
                         ": bind: Address already in use; end what listens there (ss -ltnp "
                         "shows it), or choose another port"));
}

TEST_F(HttpServerTest, AddressesAreChecked) {
  for (const char* address :
       {"", "localhost", ":9743", "127.0.0.1:", "127.0.0.1:x", "h:65536", "h:-1", "::1:9743",
        "[::1]", "[::1:9743", "[localhost]:9743", "[]:1"}) {
    absl::Status status =
        HttpServer::Start({.address = address, .healthy = nullptr, .ready = nullptr}, &metrics_)
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_EQ(status.message(),
              absl::StrCat("'", address, "' is no address; write HOST:PORT or [IPV6]:PORT"));
  }
}

TEST_F(HttpServerTest, StopsAtOnceWhenIdleAndFreesThePort) {
  for (int i = 0; i < 20; ++i) {
    StartAt("127.0.0.1:0");
    const int port = server_->port();
    const absl::Time start = absl::Now();
    server_.reset();
    EXPECT_LT(absl::Now() - start, absl::Milliseconds(900));
    EXPECT_FALSE(Connect(port));
  }
}

TEST_F(HttpServerTest, StopsSoonThoughClientsAreSilentOrSlow) {
  StartAt("127.0.0.1:0");
  UniqueFd silent = Connect(server_->port());
  UniqueFd half = Connect(server_->port());
  Send(half, "GET /metr");
  UniqueFd dripping = Connect(server_->port());
  absl::Notification stop;
  std::thread drip([&] {
    while (send(dripping.get(), "G", 1, MSG_NOSIGNAL) == 1 &&
           !stop.WaitForNotificationWithTimeout(absl::Milliseconds(50))) {
    }
  });
  // The server accepts connections in turn: this answer proves that it serves the three before.
  EXPECT_EQ(Ask("GET", "/healthz").body, "ok\n");
  const absl::Time start = absl::Now();
  server_.reset();
  EXPECT_LT(absl::Now() - start, absl::Seconds(4));
  stop.Notify();
  drip.join();
}

// Each sends a byte now and then, as long as somebody takes it.
class SlowClients {
 public:
  SlowClients(int port, size_t count) {
    for (size_t i = 0; i < count; ++i) clients_.push_back(Connect(port));
    drip_ = std::thread([this] {
      do {
        for (const UniqueFd& fd : clients_) send(fd.get(), "G", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
      } while (!stop_.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
    });
  }
  ~SlowClients() {
    stop_.Notify();
    drip_.join();
  }

 private:
  std::vector<UniqueFd> clients_;
  absl::Notification stop_;
  std::thread drip_;
};

TEST_F(HttpServerTest, SlowClientsKeepNobodyFromAProbe) {
  StartAt("127.0.0.1:0");
  for (const size_t count : {4, 300}) {
    const SlowClients slow(server_->port(), count);
    for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
      const absl::Time start = absl::Now();
      EXPECT_EQ(Ask("GET", path).status, "HTTP/1.1 200 OK") << path;
      EXPECT_LT(absl::Now() - start, absl::Seconds(2)) << path;
    }
  }
}

TEST_F(HttpServerTest, WhatIsClosedWithoutAReplyIsCounted) {
  limits_.patience = absl::Milliseconds(50);
  StartAt("127.0.0.1:0");
  const UniqueFd silent = Connect(server_->port());
  EXPECT_EQ(ReceiveAll(silent), "");
  EXPECT_THAT(Ask("GET", "/metrics").body,
              HasSubstr("\nentropyd_http_refused_total{reason=\"late\"} 1\n"));
}

TEST_F(HttpServerTest, AWildcardServesIpv4AndIpv6) {
  StartAt("[::]:0");
  EXPECT_EQ(Ask("GET", "/healthz").body, "ok\n");
  EXPECT_EQ(Ask("GET", "/healthz", /*v6=*/true).body, "ok\n");
}

// More of them than threads that answer, and than may wait.
TEST_F(HttpServerTest, PagesThatTakeLongDoNotDelayAProbe) {
  absl::Notification release;
  pages_["/slow"] = [&]() -> absl::StatusOr<std::string> {
    release.WaitForNotification();
    return "slow\n";
  };
  StartAt("127.0.0.1:0");
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(Connect(server_->port()));
    Send(slow.back(), "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  EXPECT_EQ(Ask("GET", "/healthz").body, "ok\n");
  EXPECT_EQ(Ask("GET", "/readyz").body, "ok\n");
  Reply crowded;
  while (crowded.status.empty()) crowded = Ask("GET", "/");
  EXPECT_EQ(crowded.status, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(crowded.body, "too many requests at a time\n");
  release.Notify();
  EXPECT_THAT(ReceiveAll(slow.front()), HasSubstr("\r\n\r\nslow\n"));
  server_.reset();  // its threads still look at `release` for those that wait
}

// One host must not make a server that is well look ill to the others.
TEST_F(HttpServerTest, NobodyWhoAsksForHealthIsTurnedAway) {
  absl::Notification release;
  auto server = HttpServer::Start({.address = "127.0.0.1:0",
                                   .healthy =
                                       [&] {
                                         release.WaitForNotification();
                                         return absl::OkStatus();
                                       },
                                   .ready = nullptr},
                                  &metrics_);
  ASSERT_TRUE(server.ok()) << server.status();
  std::vector<UniqueFd> askers;
  for (int i = 0; i < 200; ++i) {
    askers.push_back(Connect((*server)->port()));
    Send(askers.back(), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  release.Notify();
  for (const UniqueFd& asker : askers) EXPECT_THAT(ReceiveAll(asker), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, TheDestructorWaitsForAnswersUnderWay) {
  absl::Notification asked, release, destroyed;
  absl::StatusOr<std::unique_ptr<HttpServer>> server =
      HttpServer::Start({.address = "127.0.0.1:0",
                         .healthy =
                             [&] {
                               asked.Notify();
                               release.WaitForNotification();
                               return absl::OkStatus();
                             },
                         .ready = nullptr},
                        &metrics_);
  ASSERT_TRUE(server.ok());
  UniqueFd fd = Connect((*server)->port());
  Send(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  asked.WaitForNotification();
  std::thread destroyer([&] {
    server->reset();
    destroyed.Notify();
  });
  EXPECT_FALSE(destroyed.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
  release.Notify();
  destroyer.join();
  EXPECT_THAT(ReceiveAll(fd), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, WhereNoThreadCanBeStartedItIsAnErrorAndLaterItServes) {
  HttpServer::Options options;
  options.address = "127.0.0.1:0";
  {
    const NoMoreThreads full;
    const auto server = HttpServer::Start(options, &metrics_);
    EXPECT_TRUE(absl::IsResourceExhausted(server.status())) << server.status();
  }
  StartAt("127.0.0.1:0");
  EXPECT_THAT(Ask("GET", "/healthz").body, HasSubstr("ok"));
}

}  // namespace
}  // namespace entropyd
