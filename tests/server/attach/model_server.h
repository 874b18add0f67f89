// A server of the model of Attach: the dispatcher with its protocols, and fake pools of its own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "tests/server/attach/word_fates.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {

// The classes that servers have; the last one is of pool `scarce`.
inline constexpr std::array<const char*, 3> kModelClasses = {"default/gold", "default/slow",
                                                             "scarce/key"};

class ModelServer final : public DispatcherFixture {
 public:
  ModelServer(uint64_t number, WordFates* fates) {
    Make(
        {.limits = {.max_credit = 12 * 1024, .max_payload = 4 * 1024}, .max_in_flight = 12 * 1024});
    drbg_.salt = 0x0123456789abcdef + number;
    full_.salt = 0xfedcba9876543210 + number;
    full_.available = 16 * 1024;
    fates->Add(&drbg_);
    fates->Add(&full_);
  }
  void TestBody() override {}

  using DispatcherFixture::Attach;
  using DispatcherFixture::Get;
  using DispatcherFixture::Post;
  using DispatcherFixture::Say;
  using DispatcherFixture::SetRules;
  using DispatcherFixture::totals;
  using DispatcherFixture::Written;

  const FakePool* PoolOf(size_t of_class) const { return of_class == 2 ? &full_ : &drbg_; }
  int64_t now() const { return clock_.NowNanos(); }
  int64_t wake_nanos() const { return wake_nanos_; }
  const Protocols& protocols() const { return *protocols_; }
  // What all pools have given.
  uint64_t given() const { return drbg_.given + full_.given; }
  // Time passes; the loop notices when it is time.
  void PassTime(int64_t nanos) {
    clock_.AdvanceNanos(nanos);
    if (now() >= wake_nanos_) Tick();
  }

  void Check() const {
    ExpectBalance();
    ExpectNobodyForgotten();
    size_t attached = 0;
    for (const auto& session : registry().sessions()) {
      // A clone has said Hello, too; then its session has ended.
      attached += !session->ended() && !session->host_id().empty();
      if (session->outbox()->outstanding() && !session->ended()) continue;
      EXPECT_EQ(session->outbox()->planned(), 0u) << "a plan that no message takes";
    }
    EXPECT_EQ(registry().registered(), attached) << "a host has one stream";
  }

  // As the owner of the dispatcher.
  void DrainAll() {
    Post(
        new Command([this](int64_t now) { protocols_->Drain("", "test", now, now + kSecond * 3); }),
        1);
  }
  void DrainOne(const std::string& identity) {
    Post(new Command([this, identity](int64_t now) {
           protocols_->Drain(identity, "test", now, now + kSecond * 3);
         }),
         1);
  }
  void EndDrain() {
    Post(new Command([this](int64_t) { protocols_->EndDrain(); }), 1);
  }

  // Other figures of `slow`, or no class of that name; and gold under another rate.
  void ChangeClasses(uint64_t gold_rate, uint64_t slow_ceil, bool with_slow) {
    ClassesChange change;
    change.update.pool = "default";
    change.update.specs = {Class("root", "", 100 << 20), Class("gold", "root", gold_rate)};
    if (with_slow) change.update.specs.push_back(Class("slow", "root", 16 << 10, slow_ceil));
    change.weigh_guests = {"gold"};
    PoolsChange all;
    all.changed.push_back(std::move(change));
    all.order = {"default", "scarce"};
    Post(new Command([this, &all](int64_t now) {
           EXPECT_TRUE(dispatcher_->ChangePools(std::move(all), now).ok());
         }),
         1);
  }

  void Disturb(uint64_t which, uint64_t how_much) {
    FakePool* const pool = which % 2 == 0 ? &drbg_ : &full_;
    switch (which / 2 % 5) {
      case 0:
        pool->state.phase =
            pool->state.ready() ? PoolState::Phase::kSuspended : PoolState::Phase::kServing;
        break;
      case 1:
        ++pool->state.discard_epoch;
        break;
      case 2:
        if (full_.available < UINT64_MAX / 2) full_.available += how_much % 4096 * WordFates::kWord;
        break;
      case 3:
        pool->next_error = absl::InternalError("generator failed");
        return;  // found out by the next read
      case 4:
        pool->on_read = [pool] {
          ++pool->state.discard_epoch;
          pool->on_read = nullptr;
        };
        return;
    }
    PoolsChanged();
  }

  // All is well from now on.
  void Heal() {
    for (FakePool* pool : {&drbg_, &full_}) {
      pool->state.phase = PoolState::Phase::kServing;
      pool->next_error = absl::OkStatus();
      pool->on_read = nullptr;
    }
    full_.available = UINT64_MAX;
    PoolsChanged();
    EndDrain();
    ChangeClasses(10 << 20, 64 << 10, true);
    SetRules("nobody");
  }
};

}  // namespace entropyd
