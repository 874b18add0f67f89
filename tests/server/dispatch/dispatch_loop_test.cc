#include "server/dispatch/dispatch_loop.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

// Tests with real threads. Their time stands still, so that nothing that a timer does late comes
// in the place of what must come at once. Every wait is for an event.
class DispatchLoopTest : public DispatcherFixture {
 protected:
  void SetUp() override {
    DispatcherFixture::SetUp();
    loop_ = DispatchLoop::Start(dispatcher_.get(), &clock_).value();
  }

  // A transport that answers each write at once, and says when enough has come.
  class EagerTransport final : public Transport {
   public:
    EagerTransport(DispatchLoop* loop, uint64_t enough, absl::Notification* done)
        : loop_(loop), enough_(enough), done_(done) {}
    void SetSession(Session* session) { session_ = session; }
    void Send(MessageBuffer message) override {
      const Received received(std::move(message));
      for (const GrantView& grant : received.view.grants) bytes_ += grant.bytes;
      // Only once: right after it the test may be over and `done` gone.
      if (bytes_ >= enough_ && done_ != nullptr) std::exchange(done_, nullptr)->Notify();
      loop_->Post(session_, Session::kWritten);
    }
    void Finish(const absl::Status&) override {}
    void StartRead() override {}
    void Cancel() override {}

   private:
    DispatchLoop* const loop_;
    const uint64_t enough_;
    absl::Notification* done_;
    Session* session_ = nullptr;
    uint64_t bytes_ = 0;
  };

  Session* AttachEager(uint64_t enough, absl::Notification* done) {
    Session* const session =
        protocols_->attach()->NewSession({"spiffe://test/agent", "peer"}).release();
    auto transport = std::make_unique<EagerTransport>(loop_.get(), enough, done);
    transport->SetSession(session);
    session->SetTransport(std::move(transport));
    loop_->Post(session, Session::kStart);
    return session;
  }
  void Say(Session* session, const v1::AgentMessage& message) {
    loop_->RunAndWait([&](int64_t) {
      *session->inbox()->room() = message;
      session->inbox()->Filled(absl::OkStatus());
    });
    loop_->Post(session, Session::kRead);
  }
  void Ask64KiB(Session* session, const std::string& name) {
    v1::AgentMessage hello, open, credit;
    hello.mutable_hello()->set_version_max(1);
    hello.mutable_hello()->set_host_id(std::string(16, 'h'));
    open.mutable_open()->set_channel(1);
    open.mutable_open()->set_class_(name);
    v1::Line* line = credit.mutable_credit()->add_line();
    line->set_channel(1);
    line->set_limit(64 * 1024);
    for (const v1::AgentMessage& message : {hello, open, credit}) Say(session, message);
  }

  static bool Comes(absl::Notification* done) {
    return done->WaitForNotificationWithTimeout(absl::Seconds(20));
  }

  std::unique_ptr<DispatchLoop> loop_;
};

TEST_F(DispatchLoopTest, CommandsOfManyThreadsRunOneAtATimeAndAllOfThem) {
  constexpr int kThreads = 4;
  constexpr int kCommands = 20'000;
  uint64_t ran = 0;  // no lock: the owner's alone
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kCommands; ++n) loop_->Run([&](int64_t) { ++ran; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t seen = 0;
  loop_->RunAndWait([&](int64_t) { seen = ran; });
  EXPECT_EQ(seen, uint64_t{kThreads} * kCommands);
}

// Whoever holds a lock that a service's method wants must not take a turn.
TEST_F(DispatchLoopTest, WhatRunsElsewhereDoesNotRunOnTheCallersThread) {
  for (int i = 0; i < 1'000; ++i) {
    absl::Notification ran;
    std::thread::id thread;
    loop_->RunElsewhere([&](int64_t) {
      thread = std::this_thread::get_id();
      ran.Notify();
    });
    ran.WaitForNotification();
    EXPECT_NE(thread, std::this_thread::get_id());
  }
}

TEST_F(DispatchLoopTest, ACreditIsServedWithoutWaitingForATimer) {
  absl::Notification done;
  Session* session = AttachEager(64, &done);
  Ask64KiB(session, "default/gold");
  ASSERT_TRUE(Comes(&done));
}

TEST_F(DispatchLoopTest, TheTimerServesTokensThatComeLater) {
  absl::Notification done;
  // The ceiling's bucket holds 4 KiB: the next 4 KiB come from the timer, 1 KiB each 16 ms.
  Session* session = AttachEager(8 * 1024, &done);
  Ask64KiB(session, "default/slow");
  loop_->RunAndWait([&](int64_t) { EXPECT_FALSE(done.HasBeenNotified()); });
  clock_.Advance(absl::Milliseconds(100));
  ASSERT_TRUE(Comes(&done));
}

TEST_F(DispatchLoopTest, APoolThatBecomesReadyWakesTheLoop) {
  loop_->RunAndWait([&](int64_t) { drbg_.state.phase = PoolState::Phase::kSuspended; });
  loop_->PoolsChanged();
  absl::Notification done;
  Session* session = AttachEager(64 * 1024, &done);
  Ask64KiB(session, "default/gold");
  loop_->RunAndWait([&](int64_t) {
    EXPECT_FALSE(done.HasBeenNotified());
    drbg_.state.phase = PoolState::Phase::kServing;
  });
  loop_->PoolsChanged();
  ASSERT_TRUE(Comes(&done));
}

}  // namespace
}  // namespace entropyd
