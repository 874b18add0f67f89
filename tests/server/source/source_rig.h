// A source of a fake device, and a pool that keeps what it gets.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "server/source/source.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {

// A source of words, ordinarily of 32 bits, at 4 bits per byte: blocks of 512 words, start-up after
// two of them.
class SourceTest : public ::testing::Test {
 protected:
  static constexpr size_t kBlock = 2048;
  static constexpr uint64_t kRate = 1'000'000;
  // The bytes of a block that stay until the next block: a replay is reported after 14 bytes, a run
  // after 9.
  static constexpr size_t kTail = 13;

  SourceTest() : SourceTest(4) {}
  explicit SourceTest(int word_bytes) : word_bytes_(word_bytes) { MakeSource(); }

  void MakeSource() {
    SourceSpec spec;
    spec.name = "trng0";
    spec.driver = "fake";
    spec.identity.root = configured_root_;
    spec.identity.claims = {.group = "board",
                            .min_entropy = 4,
                            .health_min_entropy = 4,
                            .word_bytes = word_bytes_,
                            .max_rate = kRate,
                            .read_bytes = 64,
                            .silence_nanos = silence_nanos_};
    HealthMonitor test =
        HealthMonitor::Create({.min_entropy = 4, .word_bytes = word_bytes_}, arena_.get()).value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    source_ = std::make_unique<Source>(spec, std::make_unique<FakeDriver>(&device_),
                                       std::move(test), std::move(held), &clock_, &log_);
    source_->AddSink(&sink_, 0);
  }

  // Steps the source and lets as much time pass as it asks for, until the device gave `bytes` more
  // (in reads of 64).
  void RunBytes(uint64_t bytes) {
    const uint64_t end = device_.offset + bytes;
    for (int i = 0; device_.offset < end; ++i) {
      ASSERT_LT(i, 1'000'000);
      clock_.Advance(source_->Step());
    }
  }
  void RunFor(absl::Duration duration) {
    const int64_t end = clock_.NowNanos() + absl::ToInt64Nanoseconds(duration);
    for (int i = 0; clock_.NowNanos() < end; ++i) {
      ASSERT_LT(i, 1'000'000);
      clock_.Advance(std::max(source_->Step(), absl::Nanoseconds(1)));
    }
  }
  void MakeHealthy() {
    RunBytes(2 * kBlock);
    ASSERT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  }

  v1::SourceState State() { return source_->Snapshot().state(); }
  std::string Reason() { return source_->Snapshot().reason(); }

  const int word_bytes_;
  ManualClock clock_{1'000'000'000};
  FakeLog log_{&clock_};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  FakeDevice device_;
  FakeSink sink_;
  std::string configured_root_;               // before MakeSource()
  int64_t silence_nanos_ = 2 * kSecondNanos;  // before MakeSource()
  std::unique_ptr<Source> source_;
};

}  // namespace entropyd
