// The world of the model of pools: four sources with their devices, a pool, readers of it, and a
// dispatcher that reads for agents. Steps happen one at a time. Check() says what must hold after
// each: the pool is as the oracle says (pool_oracle.h), and so was each byte that it gave.
//
// Errors: failures of the running test.
//
// Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/pool/entropy_pool.h"
#include "server/source/source.h"
#include "tests/base/crypto/fixed_random.h"
#include "tests/model_runs.h"
#include "tests/server/driver/fake_driver.h"
#include "tests/server/pool/model_device.h"
#include "tests/server/pool/pool_model_peers.h"
#include "tests/server/pool/pool_oracle.h"

namespace entropyd {

struct PoolStepKinds {
  enum class Kind {
    kRun,      // source a takes up to b steps
    kRunAll,   // all sources do, until b milliseconds have passed
    kPass,     // b milliseconds pass
    kAge,      // b seconds pass
    kStick,    // the device of source a gives the same byte some times
    kGone,     // the device of source a is away, or comes back
    kReset,    // an operator resets source a
    kReload,   // other sources are configured, some of them anew; and other figures
    kRead,     // reader a reads b bytes
    kLate,     // reader a reads b bytes that were planned before the last failure
    kReader,   // there is one more reader
    kHold,     // a plan is made: what is read late belongs to this epoch
    kCredit,   // agent a is ready for b bytes more
    kWritten,  // the network takes what agent a was sent
    kGet,      // somebody gets b bytes once
  };
  static constexpr std::array<StepKind, 15> kKinds = {{{"run", 60},
                                                       {"run_all", 160},
                                                       {"pass", 40},
                                                       {"age", 15},
                                                       {"stick", 50},
                                                       {"gone", 25},
                                                       {"reset", 40},
                                                       {"reload", 25},
                                                       {"read", 300},
                                                       {"late", 30},
                                                       {"reader", 3},
                                                       {"hold", 20},
                                                       {"credit", 60},
                                                       {"written", 60},
                                                       {"get", 15}}};
  static constexpr uint64_t kMax = 1000;
};
using PoolStep = StepOf<PoolStepKinds>;

class PoolModel {
 public:
  // What happened, so that a test sees that the model is no calm sea.
  struct Counts {
    // Bytes: all, to agents, to readers that draw once.
    uint64_t delivered = 0, sent = 0, got = 0;
    uint64_t blocks = 0, epochs = 0, alarms = 0, refused = 0, aborted = 0, reloads = 0;

    void Add(const Counts& other) {
      delivered += other.delivered;
      sent += other.sent;
      got += other.got;
      blocks += other.blocks;
      epochs += other.epochs;
      alarms += other.alarms;
      refused += other.refused;
      aborted += other.aborted;
      reloads += other.reloads;
    }
  };

  // Odd seeds have a pool of quality full.
  explicit PoolModel(uint64_t seed) : random_(seed) {
    for (size_t i = 0; i < kSources; ++i) {
      devices_.push_back(std::make_unique<ModelDevice>(seed * kSources + i));
    }
    options_.name = "default";
    options_.quality = seed % 2 == 1 ? v1::QUALITY_FULL : v1::QUALITY_DRBG;
    options_.members = Members(~0ull, 0);
    options_.capacity_bytes = kCapacity;
    options_.reseed_interval_nanos = 5 * kSecondNanos;
    options_.max_seed_age_nanos = kMaxSeedAge;
    options_.max_bytes_per_seed = 96 << 10;
    pool_ = EntropyPool::Create(options_, provider_.get(), arena_.get(), &clock_, &log_, nullptr)
                .value();
    oracle_ = std::make_unique<PoolOracle>(options_, provider_.get());
    for (size_t i = 0; i < kSources; ++i) Connect(i, static_cast<int>(i), true);
    AddReader();
    noted_ = std::make_unique<NotedPool>(
        pool_.get(), [this](size_t reader, absl::Span<uint8_t> out, uint64_t epoch) {
          while (peers_readers_.size() <= reader) peers_readers_.push_back(NewReader());
          return ReadBoth(&peers_readers_[reader], out, epoch);
        });
    peers_ = std::make_unique<PoolPeers>(noted_.get(), clock_.NowNanos());
  }

  void Do(const PoolStep& step) {
    const size_t source = step.a % kSources;
    switch (step.kind) {
      case PoolStep::Kind::kRun:
        for (uint64_t i = 0; i < step.b % 64; ++i) clock_.Advance(StepSource(source));
        break;
      case PoolStep::Kind::kRunAll:
        RunAll(static_cast<int64_t>(step.b % 12) * kMillisecondNanos);
        break;
      case PoolStep::Kind::kPass:
        clock_.AdvanceNanos(static_cast<int64_t>(step.b) * kMillisecondNanos);
        pool_->Tick();
        break;
      case PoolStep::Kind::kAge:
        clock_.AdvanceNanos(static_cast<int64_t>(step.b % 30) * kSecondNanos);
        break;
      case PoolStep::Kind::kStick:
        // Up to 8 are no alarm, from 16 on a permanent one.
        devices_[source]->Stick(step.b % 4 == 0 ? 2 + step.b % 30 : ModelDevice::kRunOfAnAlarm);
        break;
      case PoolStep::Kind::kGone:
        devices_[source]->SetGone(step.b % 3 == 0);
        break;
      case PoolStep::Kind::kReset:
        if (sources_[source] == nullptr) break;
        sources_[source]->Test(true, [](const auto&) {});
        devices_[source]->TestsBegin();
        break;
      case PoolStep::Kind::kReload:
        Reload(step.a, step.b);
        break;
      case PoolStep::Kind::kRead:
        Read(step.a % readers_.size(), 1 + step.b, pool_->State().discard_epoch);
        break;
      case PoolStep::Kind::kLate:
        Read(step.a % readers_.size(), 1 + step.b, planned_epoch_);
        break;
      case PoolStep::Kind::kReader:
        if (readers_.size() < 6) AddReader();
        break;
      case PoolStep::Kind::kHold:
        planned_epoch_ = pool_->State().discard_epoch;
        break;
      case PoolStep::Kind::kCredit:
        peers_->Credit(step.a, 1 + step.b);
        break;
      case PoolStep::Kind::kWritten:
        peers_->Written(step.a);
        break;
      case PoolStep::Kind::kGet:
        peers_->Get(static_cast<uint32_t>(1 + step.b));
        break;
    }
  }

  // What holds after each step.
  void Check() {
    peers_->Pass(clock_.NowNanos());
    peers_->Check();
    const PoolState state = pool_->State();
    EXPECT_EQ(state.seed_generation, oracle_->generation());
    EXPECT_EQ(state.discard_epoch, oracle_->epoch());
    EXPECT_EQ(state.ready(), oracle_->ReadyAt(clock_.NowNanos())) << state.Text();
    EXPECT_EQ(state.seeded_at_nanos, oracle_->seeded_at());
    if (options_.quality == v1::QUALITY_FULL) {
      EXPECT_EQ(pool_->Snapshot().available_bytes(), oracle_->stored_bytes());
    }
  }

  // All devices are well, and an operator has looked: the pool serves.
  void Finish(const std::function<bool()>& failed) {
    for (size_t i = 0; i < kSources; ++i) {
      devices_[i]->SetGone(false);
      devices_[i]->Stick(0);
      Do({PoolStep::Kind::kReset, i, 0});
    }
    for (int i = 0; i < 400 && !pool_->State().ready() && !failed(); ++i) {
      RunAll(50 * kMillisecondNanos);
      Check();
    }
    EXPECT_TRUE(pool_->State().ready()) << pool_->State().Text();
    for (size_t i = 0; i < readers_.size() && !failed(); ++i) {
      Read(i, 1, pool_->State().discard_epoch);
    }
    counts_.blocks = oracle_->blocks();
    counts_.epochs = oracle_->epoch();
    counts_.sent = peers_->sent();
    counts_.got = peers_->got();
  }

  const Counts& counts() const { return counts_; }

 private:
  static constexpr size_t kSources = 4;
  static constexpr size_t kCapacity = 2048;
  static constexpr size_t kBlockSamples = 512;  // SP 800-90B 4.4.2: the window of bytes
  static constexpr int64_t kMaxSeedAge = 40 * kSecondNanos;

  // Between a source and the pool: sees what passes, and tells the oracle.
  class Tap final : public SourceSink {
   public:
    Tap(PoolModel* model, size_t source) : model_(model), source_(source) {}
    bool Wants(int member) override { return model_->pool_->Wants(member); }
    double Add(int member, absl::Span<const uint8_t> samples) override {
      model_->devices_[source_]->Passed(samples);
      model_->oracle_->Add(NameOf(source_), samples, model_->clock_.NowNanos());
      return model_->pool_->Add(member, samples);
    }
    void SetSourceState(int member, v1::SourceState state) override {
      model_->counts_.alarms += state == v1::SOURCE_STATE_QUARANTINED;
      model_->oracle_->SetState(NameOf(source_), state);
      model_->pool_->SetSourceState(member, state);
    }
    void SetSourceRoot(int member, const std::string& root) override {
      model_->pool_->SetSourceRoot(member, root);
    }

   private:
    PoolModel* const model_;
    const size_t source_;
  };

  struct Reader {
    std::unique_ptr<PoolReader> real;
    PoolOracle::Reader ideal;
  };

  static std::string NameOf(size_t source) { return absl::StrCat("s", source); }
  // Sources 0 and 1 have one root. Bits of `present` and `anew` say which there are, and which are
  // other sources under the same name.
  static std::vector<EntropyPool::Member> Members(uint64_t present, uint64_t anew) {
    static constexpr std::array<const char*, kSources> kGroups = {"cpu", "cpu", "usb", "host"};
    std::vector<EntropyPool::Member> members;
    for (size_t i = 0; i < kSources; ++i) {
      if ((present >> i) % 2 == 0) continue;
      // Source 3 has credit in some configurations only.
      const double bits = i == 3 ? (present >> 8) % 2 * 1.0 : i == 1 ? 2 : 4;
      members.push_back({.source = NameOf(i),
                         .group = kGroups[i],
                         .min_entropy = bits,
                         .is_new = (anew >> i) % 2 == 1});
    }
    return members;
  }

  void Connect(size_t source, int member, bool anew) {
    if (taps_[source] == nullptr) taps_[source] = std::make_unique<Tap>(this, source);
    if (!anew) {
      // It may have another number now.
      sources_[source]->SetSinks({{taps_[source].get(), member}});
      return;
    }
    SourceSpec spec;
    spec.name = NameOf(source);
    spec.driver = "model";
    spec.identity.claims = {.group = "model",
                            .min_entropy = 4,
                            .health_min_entropy = 4,
                            .word_bytes = 1,
                            .max_rate = 1'000'000,
                            .read_bytes = 64,
                            .silence_nanos = 2 * kSecondNanos};
    HealthMonitor test = HealthMonitor::Create({.min_entropy = 4, .word_bytes = 1}).value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    auto made =
        std::make_unique<Source>(spec, std::make_unique<ModelDriver>(devices_[source].get()),
                                 std::move(test), std::move(held), &clock_, &log_);
    if (sources_[source] != nullptr) made->RememberAlarmsOf(*sources_[source]);
    sources_[source] = std::move(made);
    sources_[source]->SetSinks({{taps_[source].get(), member}});
  }

  absl::Duration StepSource(size_t source) {
    if (sources_[source] == nullptr) return absl::ZeroDuration();
    return std::min(sources_[source]->Step(), absl::Milliseconds(20));
  }
  void RunAll(int64_t nanos) {
    const int64_t until = clock_.NowNanos() + nanos;
    while (clock_.NowNanos() < until) {
      absl::Duration wait = absl::Milliseconds(5);
      for (size_t i = 0; i < kSources; ++i) {
        if (sources_[i] != nullptr) wait = std::min(wait, StepSource(i));
      }
      clock_.Advance(std::max(wait, absl::Microseconds(10)));
    }
  }

  // As the supply does: sources that go lose their sinks first, then the pool changes.
  void Reload(uint64_t present, uint64_t anew) {
    if (present % 16 == 0) present = 1 + anew % 15;
    if (present % 8 == 0) present += 1;  // one that always has credit
    anew = anew % 3 == 0 ? anew / 3 : 0;
    EntropyPool::Options options = options_;
    options.members = Members(present | anew << 8, 0);
    for (size_t i = 0; i < kSources; ++i) {
      const bool stays = sources_[i] != nullptr && (present >> i) % 2 == 1 && (anew >> i) % 2 == 0;
      if (sources_[i] != nullptr && !stays) {
        sources_[i]->SetSinks({});
        sources_[i]->Close();
      }
      for (EntropyPool::Member& member : options.members) {
        if (member.source == NameOf(i)) member.is_new = !stays;
      }
    }
    options.min_healthy_groups = anew % 5 == 1 && present % 16 == 15 ? 2 : 1;
    if (anew % 7 == 1) options.capacity_bytes = kCapacity + anew % 4 * 512 - 512;
    absl::StatusOr<EntropyPool::Change> change = pool_->Prepare(options, arena_.get());
    ASSERT_TRUE(change.ok()) << change.status();
    const std::vector<int> numbers = pool_->Apply(*std::move(change));
    oracle_->Apply(options);
    options_.capacity_bytes = options.capacity_bytes;
    ++counts_.reloads;
    for (size_t i = 0; i < kSources; ++i) {
      if ((present >> i) % 2 == 0) sources_[i] = nullptr;
    }
    for (size_t m = 0; m < options.members.size(); ++m) {
      const size_t source = static_cast<size_t>(options.members[m].source[1] - '0');
      Connect(source, numbers[m], options.members[m].is_new);
    }
  }

  Reader NewReader() { return {pool_->NewReader(), oracle_->NewReader()}; }
  void AddReader() { readers_.push_back(NewReader()); }
  void Read(size_t number, size_t bytes, uint64_t epoch) {
    std::vector<uint8_t> out(bytes, 0xee);
    ReadBoth(&readers_[number], absl::MakeSpan(out), epoch).IgnoreError();
  }
  // The pool's answer, which must be the oracle's.
  absl::Status ReadBoth(Reader* reader, absl::Span<uint8_t> out, uint64_t epoch) {
    // The pool notices at its next look that nothing is stored and nothing can come. A read before
    // that is refused as well, but it uses the generators.
    if (!oracle_->ReadyAt(clock_.NowNanos())) pool_->Tick();
    std::vector<uint8_t> ideal(out.size());
    const absl::Status status = reader->real->Read(out, epoch).status();
    const absl::StatusCode expected =
        oracle_->Read(&reader->ideal, absl::MakeSpan(ideal), epoch, clock_.NowNanos());
    EXPECT_EQ(status.code(), expected) << status;
    if (!status.ok()) ideal.assign(out.size(), 0);
    EXPECT_TRUE(out == absl::MakeSpan(ideal))
        << "a reader gets bytes that do not follow from the good blocks";
    counts_.delivered += status.ok() ? out.size() : 0;
    counts_.refused += absl::IsUnavailable(status);
    counts_.aborted += absl::IsAborted(status);
    return status;
  }

  const FixedRandom zeros_;
  ManualClock clock_{1'000 * kSecondNanos};
  FakeLog log_{&clock_};
  std::mt19937_64 random_;
  const std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(512 << 10, SecretArena::Locking::kBestEffort).value();
  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  std::vector<std::unique_ptr<ModelDevice>> devices_;
  std::array<std::unique_ptr<Tap>, kSources> taps_;
  EntropyPool::Options options_;
  std::unique_ptr<EntropyPool> pool_;
  std::unique_ptr<PoolOracle> oracle_;
  std::array<std::unique_ptr<Source>, kSources> sources_;  // null = not configured
  std::vector<Reader> readers_;
  std::vector<Reader> peers_readers_;
  std::unique_ptr<NotedPool> noted_;
  std::unique_ptr<PoolPeers> peers_;
  uint64_t planned_epoch_ = 0;
  Counts counts_;
};

}  // namespace entropyd
