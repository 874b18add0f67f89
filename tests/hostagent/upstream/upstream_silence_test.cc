// Whether the server lives is told by its messages, and not by what classes get.
#include <algorithm>
#include <string>

#include "gtest/gtest.h"
#include "hostagent/serving/served_class.h"
#include "hostagent/upstream/class_reports.h"
#include "hostagent/upstream/upstream.h"
#include "tests/hostagent/serving/fake_member.h"
#include "tests/hostagent/upstream/upstream_fixture.h"

namespace entropyd {
namespace {

using Mode = LocalFallback::Mode;

class UpstreamSilenceTest : public UpstreamFixture {
 protected:
  void SetUp() override {
    UpstreamFixture::SetUp();
    heartbeat_ms_ = 3000;
  }
  void Heartbeat() {
    net_.last().Heartbeat();
    upstream_->Process();
  }
};

TEST_F(UpstreamSilenceTest, AClassThatGetsNothingIsNotLostWhileHeartbeatsCome) {
  Attach();
  Want(gold_.get(), 1, 64);
  const int told = gold_class_->tellings;
  for (int i = 0; i < 30; ++i) {
    Run(absl::Seconds(2));
    Heartbeat();
  }
  EXPECT_EQ(LostAt(0), kNever);
  EXPECT_EQ(gold_class_->tellings, told) << "a heartbeat is no work for classes";
  EXPECT_EQ(MetricOf("entropyd_agent_upstream_refused_messages_total", {{"reason", "gap"}}), 0);
}

TEST_F(UpstreamSilenceTest, ASilentStreamIsFoundAfterFiveSecondsWhateverItsClassesWaitFor) {
  Attach();
  Want(gold_.get(), 1, 64);
  const int64_t heard = clock_.NowNanos();
  Run(absl::Seconds(5) - absl::Nanoseconds(1));
  EXPECT_EQ(LostAt(0), kNever);
  Run(absl::Nanoseconds(1));
  EXPECT_EQ(LostAt(0), heard + 5 * kSecondNanos);
  EXPECT_EQ(LostAt(1), heard + 5 * kSecondNanos) << "nobody has asked for it";
  Heartbeat();
  EXPECT_EQ(LostAt(0), kNever);
  EXPECT_EQ(states_[0].kind, UpstreamState::Kind::kOpen);
}

TEST_F(UpstreamSilenceTest, AServerThatPromisesLessIsGivenMoreTime) {
  heartbeat_ms_ = 10'000;
  Attach();
  const int64_t heard = clock_.NowNanos();
  Run(absl::Seconds(12) - absl::Nanoseconds(1));
  EXPECT_EQ(LostAt(0), kNever);
  Run(absl::Nanoseconds(1));
  EXPECT_EQ(LostAt(0), heard + 12 * kSecondNanos);
}

TEST_F(UpstreamSilenceTest, AServerOfAnOlderVersionIsLostWithItsStreamOnly) {
  heartbeat_ms_ = 0;
  Attach();
  Want(gold_.get(), 1, 64);
  Run(absl::Minutes(10));
  EXPECT_EQ(LostAt(0), kNever);
  EXPECT_EQ(net_.last().Heartbeats(), 0u) << "it expects none";
  EXPECT_EQ(net_.wires.size(), 1u);
  EndStream(absl::UnavailableError("keepalive watchdog timeout"));
  EXPECT_EQ(LostAt(0), clock_.NowNanos() + ClassReports::kGonePatienceNanos);
}

TEST_F(UpstreamSilenceTest, ASilentServerIsGivenUpAndTheNextOneHasItsTurn) {
  Attach(2);
  Run(absl::Seconds(15) - absl::Nanoseconds(1));
  EXPECT_TRUE(net_.last().alive());
  EXPECT_TRUE(upstream_->connected());
  Run(absl::Nanoseconds(1));
  EXPECT_TRUE(Awake());
  upstream_->Process();
  Run(absl::Seconds(2));
  EXPECT_TRUE(net_.wires[0]->destroyed);
  EXPECT_EQ(net_.dialled.back(), order_[1]);
  EXPECT_NE(Status().last_error().find("said nothing for 15 s"), std::string::npos);
  Welcome();
  EXPECT_EQ(LostAt(0), kNever);
}

// It was stopped. What the server said meanwhile lies in the socket, and nobody has read it yet.
TEST_F(UpstreamSilenceTest, AnAgentThatDidNotRunListensBeforeItJudges) {
  Attach();
  Wait(absl::Minutes(1));
  EXPECT_EQ(LostAt(0), kNever);
  const int64_t back = clock_.NowNanos();
  Run(absl::Seconds(5));
  EXPECT_EQ(LostAt(0), back + 5 * kSecondNanos) << "and the server was silent, too";
}

TEST_F(UpstreamSilenceTest, AnAgentWithNothingToSaySendsAHeartbeatEachFiveSeconds) {
  Attach();
  EXPECT_EQ(net_.last().sent.front().hello().heartbeat_ms(), 5000u);
  for (int i = 1; i <= 10; ++i) {
    Heartbeat();
    Run(absl::Seconds(2.5));
    Heartbeat();
    Run(absl::Seconds(2.5));
    EXPECT_EQ(net_.last().Heartbeats(), static_cast<size_t>(i));
  }
  Run(absl::Seconds(4));
  Want(gold_.get(), 1, 5000);  // this counts as well
  Heartbeat();
  Run(absl::Seconds(4));
  EXPECT_EQ(net_.last().Heartbeats(), 10u);
}

TEST_F(UpstreamSilenceTest, AHeartbeatDoesNotQueueBehindWhatIsNotSent) {
  Attach();
  net_.last().blocked = true;
  Want(gold_.get(), 1, 5000);
  for (int i = 0; i < 10; ++i) {
    Heartbeat();
    Run(absl::Seconds(2));
  }
  EXPECT_EQ(net_.last().Heartbeats(), 0u);
  net_.last().Unblock();
  upstream_->Process();
  EXPECT_EQ(net_.last().Heartbeats(), 1u);
}

// One class of an agent, with an upstream and a guest that wants more than the class may have.
class ClassAtItsRateTest : public UpstreamSilenceTest {
 protected:
  void Make(OnUpstreamLoss on_upstream_loss) {
    const ClassSettings settings{"default/gold", kSize, 60 * kSecondNanos, ClassTree::kUnlimited,
                                 on_upstream_loss};
    served_ = ServedClass::Create(settings, SeedProvider::Create().value(), &counters_,
                                  arena_.get(), &clock_, &log_)
                  .value();
    guest_ = std::make_unique<FakeMember>(served_->buffer());
    guest_->wanted = 1'000'000;
    Upstream::Options options;
    options.servers = {"a:7743"};
    options.host_id = std::string(16, 'h');
    options.dial = [this](const std::string& server, std::function<void()> wake) {
      return net_.Dial(server, std::move(wake));
    };
    upstream_ = Upstream::Create(options, {served_.get()}, &clock_, &log_, &metrics_).value();
    served_->queue()->Touch(served_->queue()->Add(guest_.get()));
    Turn();
    net_.last().Welcome(kSize, {}, heartbeat_ms_);
    ServerMessageView message = net_.last().NewMessage();
    FakeWire::AddState(&message, 1, v1::PHASE_OPEN)->set_ceil(100);
    net_.last().Push(std::move(message));
    Turn();
    Send(kSeedBytes);
  }
  ~ClassAtItsRateTest() override { upstream_.reset(); }
  void Turn() {
    upstream_->Process();
    served_->Serve(clock_.NowNanos());
  }
  void Send(size_t bytes) {
    net_.last().Grant(1, offset_, std::string(bytes, 'x'));
    offset_ += bytes;
    Turn();
  }
  // One second, deadline by deadline.
  void Second() {
    const int64_t until = clock_.NowNanos() + kSecondNanos;
    while (clock_.NowNanos() < until) {
      const int64_t next = std::min(upstream_->next_deadline_nanos(), served_->next_nanos());
      clock_.AdvanceNanos(std::clamp(next, clock_.NowNanos() + 1, until) - clock_.NowNanos());
      Turn();
    }
    served_->Tick(clock_.NowNanos());
    Turn();
  }
  Mode mode() const { return served_->fallback().mode(); }

  static constexpr size_t kSeedBytes = CtrDrbg::kSeedBytes;
  ClassCounters counters_{"default/gold"};
  std::unique_ptr<ServedClass> served_;
  std::unique_ptr<FakeMember> guest_;
  uint64_t offset_ = 0;
};

TEST_F(ClassAtItsRateTest, WaitsForItsServerForAMinuteAndIsServedByNobodyElse) {
  for (const OnUpstreamLoss on_loss : {OnUpstreamLoss::kLocal, OnUpstreamLoss::kBlock}) {
    offset_ = 0;
    upstream_.reset();
    Make(on_loss);
    for (int second = 1; second <= 60; ++second) {
      Second();
      ASSERT_EQ(mode(), Mode::kUpstream) << "after " << second << " s";
      ASSERT_EQ(counters_.modes[static_cast<size_t>(Mode::kBlocked)].Get(), 0u);
      if (second % 2 == 0) net_.last().Heartbeat();
      if (second % 10 == 0) Send(1000);
    }
    EXPECT_EQ(counters_.local_bytes.Get(), 0u);
    EXPECT_EQ(guest_->delivered, offset_ - (on_loss == OnUpstreamLoss::kLocal ? kSeedBytes : 0));
  }
}

TEST_F(ClassAtItsRateTest, GetsItsCeilingFromTheHostWhenTheServerIsSilent) {
  Make(OnUpstreamLoss::kLocal);
  for (int second = 0; second < 5; ++second) Second();
  EXPECT_EQ(mode(), Mode::kLocal);
  EXPECT_EQ(counters_.local_bytes.Get(), 0u);
  for (int second = 0; second < 9; ++second) Second();
  EXPECT_NEAR(static_cast<double>(counters_.local_bytes.Get()), 900, 64);
  Send(100);
  EXPECT_EQ(mode(), Mode::kUpstream);
}

}  // namespace
}  // namespace entropyd
