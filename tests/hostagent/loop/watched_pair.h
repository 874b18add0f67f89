// What the tests of the event loop watch, and who is told.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "base/process/fd.h"
#include "gtest/gtest.h"
#include "hostagent/loop/event_loop.h"

namespace entropyd {

// Keeps what the loop tells.
struct Recorder final : EventLoop::Handler {
  void OnEvents(uint32_t events) override {
    seen.push_back(events);
    if (then) then();
  }
  std::vector<uint32_t> seen;
  std::function<void()> then;
};

// A connected pair: `own` can read what is written to `peer`.
struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    own.reset(fds[0]);
    peer.reset(fds[1]);
  }
  void Speak() { EXPECT_EQ(write(peer.get(), "x", 1), 1); }
  UniqueFd own;
  UniqueFd peer;
};

}  // namespace entropyd
