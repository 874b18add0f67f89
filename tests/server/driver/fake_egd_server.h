// An EGD daemon on a real socket. A test can make it misbehave.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/process/fd.h"
#include "base/wire/egd.h"

namespace entropyd {

class FakeEgdServer {
 public:
  enum class Mode {
    kHonest,
    kSilent,   // reads no request
    kTooMuch,  // a byte more than was asked for
    kHangUp,   // half the answer, then the end
    kRepeat,   // one byte over and over
  };

  // An empty `path` means TCP on the loopback.
  explicit FakeEgdServer(std::string path) : path_(std::move(path)) { Start(); }
  ~FakeEgdServer() { Stop(); }

  void Start() {
    listener_.reset(socket(path_.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage at{};
    socklen_t bytes;
    if (path_.empty()) {
      const int yes = 1;
      setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      in.sin_port = htons(port_);
      std::memcpy(&at, &in, bytes = sizeof(in));
    } else {
      sockaddr_un un{};
      un.sun_family = AF_UNIX;
      std::memcpy(un.sun_path, path_.data(), path_.size());
      std::memcpy(&at, &un, bytes = sizeof(un));
    }
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), bytes), 0);
    ASSERT_EQ(listen(listener_.get(), 8), 0);
    if (path_.empty()) {
      sockaddr_in in{};
      bytes = sizeof(in);
      getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&in), &bytes);
      port_ = ntohs(in.sin_port);
    }
    stopping_ = false;
    wake_.reset(eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] { Run(); });
  }
  // Acts as a daemon that dies: its socket goes, its connections end.
  void Stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    Wake();
    thread_.join();
    listener_.reset();
    if (!path_.empty()) unlink(path_.c_str());
  }
  void SetMode(Mode mode) {
    mode_ = mode;
    Wake();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  const std::string& path() const { return path_; }
  int connections() const { return connections_; }
  int largest_request() const { return largest_request_; }

 private:
  void Wake() {
    const uint64_t one = 1;
    ASSERT_EQ(write(wake_.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  }
  void Run() {
    std::vector<std::pair<UniqueFd, egd::Decoder>> peers;
    while (!stopping_) {
      const bool listening = mode_ != Mode::kSilent;
      std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const auto& [fd, decoder] : peers) {
        polled.push_back({fd.get(), static_cast<short>(listening ? POLLIN : 0), 0});
      }
      poll(polled.data(), polled.size(), -1);
      uint64_t ignored;
      if (polled[0].revents != 0 && read(wake_.get(), &ignored, sizeof(ignored)) < 0) return;
      for (size_t i = peers.size(); i-- > 0;) {
        if (polled[i + 2].revents != 0 && !Serve(peers[i].first.get(), &peers[i].second)) {
          peers.erase(peers.begin() + static_cast<ptrdiff_t>(i));
        }
      }
      if (polled[1].revents != 0) {
        peers.emplace_back(UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)),
                           egd::Decoder());
        ++connections_;
      }
    }
  }
  // Returns false when the connection ends.
  bool Serve(int fd, egd::Decoder* decoder) {
    uint8_t input[512];
    const ssize_t n = recv(fd, input, sizeof(input), MSG_DONTWAIT);
    if (n <= 0) return false;
    absl::Span<const uint8_t> left(input, static_cast<size_t>(n));
    egd::Command command;
    while (decoder->Next(&left, &command) == egd::DecodeResult::kCommand) {
      if (command.type != egd::CommandType::kReadBlocking) return false;
      if (command.bytes > largest_request_) largest_request_ = command.bytes;
      std::vector<uint8_t> reply(command.bytes);
      for (uint8_t& b : reply) b = mode_ == Mode::kRepeat ? 0x5a : Random();
      if (mode_ == Mode::kTooMuch) reply.push_back(Random());
      if (mode_ == Mode::kHangUp) reply.resize(reply.size() / 2);
      if (send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return false;
      if (mode_ == Mode::kHangUp) return false;
    }
    return true;
  }
  uint8_t Random() { return static_cast<uint8_t>(generator_()); }

  const std::string path_;
  uint16_t port_ = 0;  // the same again after Stop() and Start()
  UniqueFd listener_, wake_;
  std::mt19937 generator_{11};
  std::atomic<Mode> mode_{Mode::kHonest};
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0}, largest_request_{0};
  std::thread thread_;
};

}  // namespace entropyd
