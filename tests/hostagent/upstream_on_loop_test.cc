#include "hostagent/upstream_on_loop.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/hostagent/fake_server.h"

namespace entropyd {
namespace {

class UpstreamOnLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    Upstream::Options options;
    options.servers = {"a:7743"};
    options.host_id = std::string(16, 'h');
    options.dial = [this](const std::string& server, std::function<void()> wake) {
      return net_.Dial(server, std::move(wake));
    };
    options.uniform = [] { return 0.5; };
    auto upstream = Upstream::Create(options, {&gold_class_}, &clock_, &log_, &metrics_);
    ASSERT_TRUE(upstream.ok()) << upstream.status();
    upstream_ = std::make_unique<UpstreamOnLoop>(*std::move(upstream), config::v1::ClientTls(),
                                                 &clock_, loop_.get(), &log_, &metrics_);
    ASSERT_TRUE(upstream_->Watch().ok());
    loop_->SetAfterTurn([this] { upstream_->AfterTurn(); });
  }
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    for (int i = 0; i < 4; ++i) loop_->RunOnce(0);
  }
  void Attach() {
    upstream_->get()->Resume();
    Turn();
    ASSERT_EQ(net_.wires.size(), 1u);
    net_.last().Welcome(1 << 20, {net_.last().ChannelOf("default/gold")});
    Turn();
  }

  ManualClock clock_{kSecondNanos, absl::FromUnixSeconds(1'800'000'000)};
  Log log_{&clock_, -1};
  Metrics metrics_;
  FakeNet net_;
  FakeBuffer gold_;
  FakeFilledClass gold_class_{&gold_};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::unique_ptr<UpstreamOnLoop> upstream_;
};

TEST_F(UpstreamOnLoopTest, ItStaysAwayUntilItMayCome) {
  Turn();
  Turn(60 * kSecondNanos);
  EXPECT_TRUE(net_.dialled.empty());
  EXPECT_FALSE(upstream_->was_attached());
}

TEST_F(UpstreamOnLoopTest, WhatComesFromAServerIsProcessedAndTold) {
  Attach();
  EXPECT_TRUE(upstream_->get()->connected());
  EXPECT_GT(gold_class_.tellings, 0);
  EXPECT_FALSE(upstream_->get()->DeadlineMoved()) << "this batch has seen it";
}

TEST_F(UpstreamOnLoopTest, WhoWasAttachedStaysSo) {
  Attach();
  net_.last().End(absl::UnavailableError("gone"));
  Turn();
  EXPECT_FALSE(upstream_->get()->connected());
  EXPECT_TRUE(upstream_->was_attached());
}

TEST_F(UpstreamOnLoopTest, ItsDeadlinesAreKept) {
  Attach();
  net_.last().End(absl::UnavailableError("gone"));
  Turn();
  const size_t before = net_.dialled.size();
  for (int i = 0; i < 120 && net_.dialled.size() == before; ++i) Turn(kSecondNanos);
  EXPECT_GT(net_.dialled.size(), before) << "it dials again by itself";
}

TEST_F(UpstreamOnLoopTest, ADemandMovesTheDeadline) {
  Turn();
  EXPECT_FALSE(upstream_->get()->DeadlineMoved());
  gold_class_.Want({1, 64});
  EXPECT_TRUE(upstream_->get()->DeadlineMoved());
  EXPECT_FALSE(upstream_->get()->DeadlineMoved()) << "asked again";
}

// A number of guests alone goes out 100 ms after the last credit.
TEST_F(UpstreamOnLoopTest, WhatADemandMovedIsDoneInTimeByItself) {
  Attach();
  const size_t before = net_.last().CreditMessages();
  gold_class_.Want({1, 64});
  Turn();
  ASSERT_EQ(net_.last().CreditMessages(), before);
  Turn(100 * kMillisecondNanos);
  EXPECT_EQ(net_.last().CreditMessages(), before + 1) << "nothing but the deadline woke the loop";
}

}  // namespace
}  // namespace entropyd
