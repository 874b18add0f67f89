// An upstream with two classes, and servers that the test plays. The test moves the clock.
#pragma once

#include <poll.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "hostagent/upstream/rendezvous.h"
#include "hostagent/upstream/upstream.h"
#include "tests/fake_log.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/hostagent/fake_server.h"

namespace entropyd {

class UpstreamFixture : public testing::Test {
 protected:
  static constexpr size_t kSize = 64 * 1024;
  static constexpr size_t kMin = ClassBuffer::kMinTarget;

  void SetUp() override {
    arena_ =
        SecretArena::Create(4 * ClassBuffer::ArenaBytes(kSize), SecretArena::Locking::kBestEffort)
            .value();
    gold_ = MakeBuffer("default/gold");
    bulk_ = MakeBuffer("default/bulk");
  }
  std::unique_ptr<ClassBuffer> MakeBuffer(const std::string& name) {
    ClassBuffer::Options options;
    options.class_name = name;
    options.size = kSize;
    return ClassBuffer::Create(options, arena_.get(), &clock_).value();
  }
  // `servers` in the order in which this host prefers them.
  void Start(size_t servers = 1) {
    upstream_.reset();
    Upstream::Options options;
    options.servers = {"a:7743", "b:7743", "c:7743"};
    options.servers.resize(servers);
    options.host_id = std::string(16, 'h');
    options.dial = [this](const std::string& server, std::function<void()> wake) {
      return net_.Dial(server, std::move(wake));
    };
    options.uniform = [this] { return uniform_; };
    order_ = RendezvousOrder(options.host_id, options.servers);
    upstream_ = Upstream::Create(
                    options, {Filled(&gold_class_, gold_.get()), Filled(&bulk_class_, bulk_.get())},
                    &clock_, &log_, &metrics_)
                    .value();
    upstream_->Process();
  }
  // The class of this buffer, whose states and arrivals are noted.
  FilledClass* Filled(std::unique_ptr<FakeFilledClass>* one, ClassBuffer* buffer) {
    const size_t i = one == &gold_class_ ? 0 : 1;
    *one = std::make_unique<FakeFilledClass>(buffer);
    (*one)->on_arrival = [this, i] { arrivals_.push_back(i); };
    (*one)->on_upstream = [this, i](const UpstreamState& state) {
      states_[i] = state;
      if (on_state_) on_state_(i, state);
    };
    return one->get();
  }
  // Welcomes the stream dialled last, with both channels open.
  void Welcome() {
    net_.last().Welcome(
        kSize, {net_.last().ChannelOf("default/gold"), net_.last().ChannelOf("default/bulk")},
        heartbeat_ms_);
    upstream_->Process();
  }
  void Attach(size_t servers = 1) {
    Start(servers);
    Welcome();
    ASSERT_TRUE(upstream_->connected());
  }
  void Wait(absl::Duration d) {
    clock_.Advance(d);
    upstream_->Process();
  }
  // Lets time pass from deadline to deadline, as the event loop does.
  void Run(absl::Duration d) {
    const int64_t until = clock_.NowNanos() + absl::ToInt64Nanoseconds(d);
    while (upstream_->next_deadline_nanos() <= until) {
      const int64_t next = upstream_->next_deadline_nanos();
      if (next > clock_.NowNanos()) clock_.AdvanceNanos(next - clock_.NowNanos());
      upstream_->Process();
      ASSERT_TRUE(upstream_->next_deadline_nanos() > clock_.NowNanos()) << "the loop would spin";
    }
    clock_.AdvanceNanos(until - clock_.NowNanos());
  }
  void Want(ClassBuffer* buffer, uint32_t guests, uint64_t owed) {
    (buffer == gold_.get() ? gold_class_ : bulk_class_)->Want({guests, owed});
  }
  void EndStream(absl::Status status) {
    net_.last().End(std::move(status));
    upstream_->Process();
  }
  v1::GetStatusResponse Status() {
    v1::GetStatusResponse status;
    upstream_->FillStatus(&status);
    return status;
  }
  int64_t LostAt(size_t buffer) { return states_.at(buffer).lost_at; }
  bool Awake() {
    pollfd p = {upstream_->wake_fd(), POLLIN, 0};
    return poll(&p, 1, 0) == 1;
  }
  double MetricOf(const std::string& name, const Labels& labels = {}) {
    return metrics_.AddCounter(name, "", labels)->Value();
  }

  ManualClock clock_{1'000'000'000'000};
  FakeLog log_{&clock_};
  Metrics metrics_;
  FakeNet net_;
  double uniform_ = 0.5;
  uint32_t heartbeat_ms_ = 0;  // what each Welcome promises
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<ClassBuffer> gold_, bulk_;
  std::unique_ptr<FakeFilledClass> gold_class_, bulk_class_;
  std::vector<std::string> order_;
  std::vector<size_t> arrivals_;
  std::map<size_t, UpstreamState> states_;  // the last ones told
  std::function<void(size_t i, const UpstreamState& state)> on_state_;
  std::unique_ptr<Upstream> upstream_;
};

}  // namespace entropyd
