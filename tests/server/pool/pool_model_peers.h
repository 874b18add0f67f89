// Agents and a reader of the model of pools: a dispatcher with its protocols serves them from a
// real pool. What they get is what the pool gave, each byte to one of them, and nobody gets bytes
// of a new epoch before being told to discard those of the last one.
//
//   NotedPool noted(pool, read);               // `read` does each read, and compares it
//   PoolPeers peers(&noted, clock.NowNanos());
//   peers.Credit(agent, bytes);  peers.Written(agent);  peers.Get(bytes);
//   peers.Pass(clock.NowNanos());              // time has come so far
//   peers.Check();
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/pool/pool.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {

// A pool whose readers do what the model says, and that remembers what they gave.
class NotedPool final : public Pool {
 public:
  // Reads from the pool, as the reader with that number among those made here.
  using Read = std::function<absl::Status(size_t reader, absl::Span<uint8_t> out, uint64_t epoch)>;

  NotedPool(Pool* pool, Read read) : pool_(pool), read_(std::move(read)) {}

  const std::string& name() const override { return pool_->name(); }
  v1::Quality quality() const override { return pool_->quality(); }
  PoolState State() const override { return pool_->State(); }
  uint64_t Available() const override { return pool_->Available(); }
  std::unique_ptr<PoolReader> NewReader() override {
    return std::make_unique<Reader>(this, readers_++);
  }
  void SetChangeCallback(std::function<void()> callback) override {
    pool_->SetChangeCallback(std::move(callback));
  }

  // Somebody has these bytes. Returns their epoch.
  uint64_t Claim(absl::string_view bytes) {
    const size_t at = given_.find(std::string(bytes));
    if (at == std::string::npos) {
      ADD_FAILURE() << bytes.size() << " bytes come that the pool never gave";
      return 0;
    }
    const auto next = claimed_.lower_bound(at);
    EXPECT_TRUE(next == claimed_.end() || at + bytes.size() <= next->first) << "bytes came twice";
    EXPECT_TRUE(next == claimed_.begin() || std::prev(next)->second <= at) << "bytes came twice";
    claimed_.emplace(at, at + bytes.size());
    return std::prev(epochs_.upper_bound(at))->second;
  }

 private:
  class Reader final : public PoolReader {
   public:
    Reader(NotedPool* pool, size_t number) : pool_(pool), number_(number) {}
    absl::StatusOr<uint64_t> Read(absl::Span<uint8_t> out, uint64_t epoch) override {
      const absl::Status status = pool_->read_(number_, out, epoch);
      if (!status.ok()) return status;
      pool_->epochs_[pool_->given_.size()] = epoch;
      pool_->given_.append(reinterpret_cast<const char*>(out.data()), out.size());
      return pool_->State().seed_generation;
    }

   private:
    NotedPool* const pool_;
    const size_t number_;
  };

  Pool* const pool_;
  const Read read_;
  size_t readers_ = 0;
  std::string given_;
  std::map<uint64_t, uint64_t> epochs_;  // by the place where they begin
  std::map<uint64_t, uint64_t> claimed_;
};

class PoolPeers final : public DispatcherFixture {
 public:
  PoolPeers(NotedPool* pool, int64_t now) : pool_(pool) {
    clock_.AdvanceNanos(now - clock_.NowNanos());
    std::vector<PoolSetup> setups(1);
    const std::vector<ClassTree::ClassSpec> classes = {Class("root", "", 1 << 20),
                                                       Class("gold", "root", 1 << 20)};
    setups[0].pool = pool;
    setups[0].tree = ClassTree::Create({.chunk_bytes = 256}, classes).value();
    setups[0].leaves.push_back(
        {.name = "default/gold", .id = setups[0].tree->FindLeaf("gold").value(), .rate = 1 << 20});
    dispatcher_ = std::make_unique<Dispatcher>(Dispatcher::Options{.message_bytes = 4096},
                                               std::move(setups), &clock_, &log_);
    Protocols::Options options;
    options.attach = {.limits = {.max_credit = 16 << 10, .max_payload = 4 << 10}, .max_agents = 10};
    options.allow = [](absl::string_view, Call, absl::string_view) { return kMaxGuests; };
    protocols_ = std::make_unique<Protocols>(std::move(options), dispatcher_.get(), &clock_, &log_);
    pool->SetChangeCallback([this] { dispatcher_->PoolsChanged(); });
    for (size_t i = 0; i < agents_.size(); ++i) Come(i);
  }
  void TestBody() override {}

  void Credit(size_t agent, uint64_t bytes) {
    FakePeer* const peer = agents_[agent % agents_.size()].peer;
    if (peer->session->ended()) return;
    const Channel& channel = *peer->session->channels()[0];
    DispatcherFixture::Credit(peer, 1,
                              std::max(channel.credit().limit(), channel.credit().sent() + bytes),
                              channel.credit().sent());
  }
  void Written(size_t agent) { WriteAll(agents_[agent % agents_.size()].peer); }
  void Get(uint32_t bytes) {
    if (get_ != nullptr) return;
    record_ = FakeOutlet::Record();
    bytes_ = bytes;
    get_ = DispatcherFixture::Get(&record_, "default/gold", bytes);
  }
  void Pass(int64_t now) { Advance(now - clock_.NowNanos()); }

  void Check() {
    ExpectBalance();
    for (size_t i = 0; i < agents_.size(); ++i) {
      Read(&agents_[i]);
      // A message that nobody takes for a minute ends the stream.
      if (!agents_[i].peer->session->ended()) continue;
      Die(agents_[i].peer);
      Come(i);
    }
    if (get_ == nullptr || !record_.done) return;
    got_ += record_.response.data().size();
    EXPECT_TRUE(!record_.status.ok() || record_.response.data().size() == bytes_);
    Post(std::exchange(get_, nullptr), PendingGet::kDead);
  }
  // Bytes that agents were sent, and that readers got.
  uint64_t sent() const { return totals().sent_bytes; }
  uint64_t got() const { return got_; }

 private:
  struct Agent {
    FakePeer* peer = nullptr;
    size_t read = 0;  // messages
    uint64_t epoch = 0;
    bool had = false;
  };

  void Come(size_t i) {
    agents_[i] = Agent();
    agents_[i].peer = Greet("spiffe://test/agent", static_cast<char>('a' + i));
    Open(agents_[i].peer, 1, "default/gold");
  }
  void Read(Agent* agent) {
    for (; agent->read < agent->peer->wire.messages.size(); ++agent->read) {
      const ServerMessageView& view = Message(agent->peer, agent->read);
      for (const v1::ChannelState& state : view.head.state()) {
        if (state.discard_buffered()) agent->had = false;
      }
      for (const GrantView& grant : view.grants) {
        std::string bytes;
        for (const absl::Span<const uint8_t> piece : grant.pieces) {
          bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        }
        if (bytes.size() < 8) continue;  // too few to be known
        const uint64_t epoch = pool_->Claim(bytes);
        EXPECT_TRUE(!agent->had || epoch == agent->epoch)
            << "bytes of epoch " << epoch << " come, and those of " << agent->epoch
            << " are still held";
        agent->epoch = epoch;
        agent->had = true;
      }
    }
  }

  NotedPool* const pool_;
  std::array<Agent, 2> agents_;
  FakeOutlet::Record record_;
  PendingGet* get_ = nullptr;
  uint32_t bytes_ = 0;
  uint64_t got_ = 0;
};

}  // namespace entropyd
