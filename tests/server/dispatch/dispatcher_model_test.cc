// Random agents and readers against the dispatcher: agents credit, acknowledge, stall, open, close
// and die, readers get, wait and give up, while pools suspend, fail and run dry. After every event
// the rules of proto/README.md must hold.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

class DispatcherModelTest : public DispatcherFixture, public ::testing::WithParamInterface<int> {
 protected:
  struct ModelChannel {
    uint32_t number;
    bool slow;
    bool full;
    uint64_t limit = 0;
    uint64_t received = 0;
    bool closing = false;
  };
  struct ModelAgent {
    FakePeer* peer = nullptr;
    std::vector<ModelChannel> channels;
    uint32_t next_channel = 1;
    uint64_t next_seq = 1;
    size_t read = 0;  // messages taken off the wire
    int64_t started = 0;
    int64_t heartbeats = 0;
  };

  struct ModelGet {
    FakeOutlet::Record record;
    PendingGet* get = nullptr;
    const FakePool* pool = nullptr;
    uint32_t bytes = 0;
  };

  // Fewer bytes may hold no whole word of their pool, which tells their place.
  static constexpr size_t kMinToTell = 15;

  uint64_t Random(uint64_t bound) { return rng_() % bound; }
  bool Chance(int percent) { return Random(100) < static_cast<uint64_t>(percent); }

  void StartAgent(int host) {
    ModelAgent& agent = agents_[host];
    agent = ModelAgent();
    agent.started = clock_.NowNanos();
    agent.peer = Greet("spiffe://test/" + std::to_string(host % 3), static_cast<char>('a' + host));
  }

  void OpenOne(ModelAgent* agent) {
    if (agent->next_channel > 6) return;
    const uint64_t which = Random(3);
    const char* const names[] = {"default/gold", "default/slow", "scarce/key"};
    for (const auto& channel : agent->peer->session->channels()) {
      // A stream has one channel per class.
      if (channel->phase() != Channel::Phase::kClosed && channel->name() == names[which]) return;
    }
    agent->channels.push_back({agent->next_channel++, which == 1, which == 2});
    Open(agent->peer, agent->channels.back().number, names[which]);
  }

  const FakePool* PoolOf(const ModelChannel& channel) const {
    return channel.full ? &full_ : &drbg_;
  }

  // How many of the first bytes are one run of what the pool gave. Nobody had them before.
  size_t FreshRun(const FakePool& pool, absl::string_view bytes) {
    for (size_t skip = 0; skip < 8 && skip + 8 <= bytes.size(); ++skip) {
      uint64_t word = 0;
      for (size_t i = 8; i-- > 0;) word = word << 8 | static_cast<uint8_t>(bytes[skip + i]);
      const uint64_t number = pool.NumberOf(word);
      if (number > pool.given / 8 || number * 8 < skip) continue;
      const uint64_t begin = number * 8 - skip;
      size_t n = 0;
      while (n < bytes.size() && begin + n < pool.given &&
             pool.ByteAt(begin + n) == static_cast<uint8_t>(bytes[n])) {
        ++n;
      }
      if (n < kMinToTell) continue;
      std::map<uint64_t, uint64_t>& had = had_[&pool];
      const auto next = had.lower_bound(begin);
      EXPECT_TRUE(next == had.end() || begin + n <= next->first) << "bytes came twice";
      EXPECT_TRUE(next == had.begin() || std::prev(next)->second <= begin) << "bytes came twice";
      had.emplace(begin, begin + n);
      told_ += n;
      return n;
    }
    return 0;
  }

  // What a message has of one pool was read at once.
  void ExpectFresh(const FakePool* pool, const std::string& bytes) {
    if (bytes.size() < kMinToTell) return;
    EXPECT_EQ(FreshRun(*pool, bytes), bytes.size())
        << "bytes that " << pool->name() << " never gave";
  }

  void ExpectFresh(const ModelAgent& agent, const ServerMessageView& view) {
    const FakePool* pool = nullptr;
    std::string bytes;
    for (const GrantView& grant : view.grants) {
      for (const ModelChannel& channel : agent.channels) {
        if (channel.number != grant.channel) continue;
        if (pool != nullptr && pool != PoolOf(channel)) {
          ExpectFresh(pool, bytes);
          bytes.clear();
          ++mixed_messages_;
        }
        pool = PoolOf(channel);
      }
      for (const absl::Span<const uint8_t> piece : grant.pieces) {
        bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      }
    }
    if (pool != nullptr) ExpectFresh(pool, bytes);
  }

  // An answer is as long as was asked for. It was read in pieces.
  void ExpectFresh(const ModelGet& get) {
    if (!get.record.done || !get.record.status.ok()) return;
    absl::string_view bytes = get.record.response.data();
    EXPECT_EQ(bytes.size(), get.bytes);
    size_t untold = 0;  // of a piece that is too short
    while (bytes.size() >= kMinToTell) {
      const size_t n = FreshRun(*get.pool, bytes);
      untold = n > 0 ? 0 : untold + 1;
      ASSERT_LT(untold, kMinToTell) << "bytes that " << get.pool->name() << " never gave";
      bytes.remove_prefix(std::max<size_t>(n, 1));
    }
  }

  // A correct agent: offsets and seq without gaps, never beyond the credit.
  void ReadAll(ModelAgent* agent) {
    for (; agent->read < agent->peer->wire.messages.size(); ++agent->read) {
      const ServerMessageView& view = Message(agent->peer, agent->read);
      ASSERT_EQ(view.head.seq(), agent->next_seq++);
      ExpectFresh(*agent, view);
      uint64_t payload = 0;
      for (const GrantView& grant : view.grants) {
        payload += grant.bytes;
        for (ModelChannel& channel : agent->channels) {
          if (channel.number != grant.channel) continue;
          ASSERT_EQ(grant.offset, channel.received);
          channel.received += grant.bytes;
          ASSERT_LE(channel.received, channel.limit);
        }
      }
      ASSERT_LE(payload, limits_.max_payload);
      if (payload > 0 || view.head.has_welcome() || view.head.has_drain() ||
          view.head.state_size() > 0) {
        continue;
      }
      ASSERT_LE(++agent->heartbeats * Outbox::kHeartbeatAfterNanos,
                clock_.NowNanos() - agent->started)
          << "a message that says nothing, and is no heartbeat";
    }
  }

  void CreditOne(ModelAgent* agent) {
    if (agent->channels.empty()) return;
    ModelChannel& channel = agent->channels[Random(agent->channels.size())];
    if (channel.closing) return;
    const uint64_t want = channel.received + Random(limits_.max_credit + 1);
    channel.limit = std::max(channel.limit, want);
    Credit(agent->peer, channel.number, channel.limit, channel.received,
           static_cast<uint32_t>(Random(5)));
  }

  void CloseOne(ModelAgent* agent) {
    if (agent->channels.empty()) return;
    ModelChannel& channel = agent->channels[Random(agent->channels.size())];
    channel.closing = true;
    CloseChannel(agent->peer, channel.number);
  }

  // A reader comes, or a waiting one gives up, or one goes after its answer.
  void GetOrGiveUp() {
    if (gets_.size() < 4) {
      const char* const names[] = {"default/gold", "default/slow", "scarce/key"};
      gets_.push_back(std::make_unique<ModelGet>());
      ModelGet* const one = gets_.back().get();
      const uint64_t which = Random(3);
      one->pool = which == 2 ? &full_ : &drbg_;
      one->bytes = static_cast<uint32_t>(1 + Random(kGetMaxBytes));
      one->get = Get(&one->record, names[which], one->bytes);
      return;
    }
    const size_t which = Random(gets_.size());
    ExpectFresh(*gets_[which]);
    if (!gets_[which]->record.done) Post(gets_[which]->get, PendingGet::kCancelled);
    Post(gets_[which]->get, PendingGet::kDead);
    gets_.erase(gets_.begin() + static_cast<ptrdiff_t>(which));
  }

  void DisturbPools() {
    switch (Random(5)) {
      case 0:
        drbg_.state.phase =
            drbg_.state.ready() ? PoolState::Phase::kSuspended : PoolState::Phase::kServing;
        break;
      case 1:
        ++drbg_.state.discard_epoch;
        break;
      case 2:
        full_.available += Random(20'000);
        break;
      case 3:
        drbg_.next_error = absl::InternalError("generator failed");
        return;  // found out by the next read
      case 4:
        full_.on_read = [this] {
          ++full_.state.discard_epoch;
          full_.on_read = nullptr;
        };
        return;
    }
    PoolsChanged();
  }

  void Step() {
    ModelAgent& agent = agents_[Random(agents_.size())];
    const uint64_t dice = Random(100);
    if (dice < 40) {
      if (agent.peer->write_pending()) Written(agent.peer);
    } else if (dice < 65) {
      ReadAll(&agent);
      CreditOne(&agent);
    } else if (dice < 75) {
      Advance(static_cast<int64_t>(Random(20)) * kMilli);
    } else if (dice < 83) {
      OpenOne(&agent);
    } else if (dice < 85) {
      CloseOne(&agent);
    } else if (dice < 93) {
      DisturbPools();
    } else if (dice < 95) {
      Die(agent.peer);
      StartAgent(static_cast<int>(&agent - agents_.data()));
    } else if (dice < 98) {
      GetOrGiveUp();
    } else {
      Advance(static_cast<int64_t>(Random(400)) * kMilli);
    }
  }

  std::mt19937_64 rng_{static_cast<uint64_t>(GetParam())};
  std::vector<ModelAgent> agents_;
  std::vector<std::unique_ptr<ModelGet>> gets_;
  // What somebody was given of a pool: where it begins, and where it ends.
  std::map<const FakePool*, std::map<uint64_t, uint64_t>> had_;
  uint64_t told_ = 0;  // bytes whose place is known
  int mixed_messages_ = 0;
};

TEST_P(DispatcherModelTest, M12_NothingIsLostForgottenOrDeliveredTwice) {
  Make({.limits = {.max_credit = 64 * 1024, .max_payload = 8 * 1024}, .max_in_flight = 24 * 1024});
  full_.available = 50'000;
  drbg_.salt = 0x0123456789abcdef;
  full_.salt = 0xfedcba9876543210;
  agents_.resize(6);
  for (size_t i = 0; i < agents_.size(); ++i) StartAgent(static_cast<int>(i));
  for (int i = 0; i < 3000; ++i) {
    Step();
    ExpectBalance();
    ExpectNobodyForgotten();
    if (HasFailure()) FAIL() << "seed " << GetParam() << ", step " << i;
  }
  EXPECT_EQ(totals().violations, 0u);

  // With healthy pools and peers that read, every demand is served: neither side waits for the
  // other.
  drbg_.state.phase = PoolState::Phase::kServing;
  drbg_.next_error = absl::OkStatus();
  full_.available = UINT64_MAX;
  PoolsChanged();
  bool waiting = true;
  for (int round = 0; round < 2000 && waiting; ++round) {
    waiting = false;
    for (ModelAgent& agent : agents_) {
      WriteAll(agent.peer);
      ReadAll(&agent);
      for (const ModelChannel& channel : agent.channels) {
        waiting = waiting || (!channel.closing && channel.received < channel.limit);
      }
    }
    Advance(100 * kMilli);
  }
  EXPECT_FALSE(waiting);
  for (ModelAgent& agent : agents_) Die(agent.peer);
  for (const auto& one : gets_) {
    EXPECT_TRUE(one->record.done);
    ExpectFresh(*one);
    Post(one->get, PendingGet::kDead);
  }
  EXPECT_GT(mixed_messages_, 0) << "no message has bytes of both pools";
  EXPECT_GT(told_, (drbg_.given + full_.given) / 2);
  EXPECT_TRUE(protocols_->idle());
  EXPECT_TRUE(registry().sessions().empty());
  EXPECT_EQ(totals().in_flight_bytes, 0u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  ExpectBalance();
}

INSTANTIATE_TEST_SUITE_P(Seeds, DispatcherModelTest, ::testing::Range(1, 9));

}  // namespace
}  // namespace entropyd
