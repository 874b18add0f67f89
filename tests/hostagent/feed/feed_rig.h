// All that a feed needs: a class with a fake buffer, a loop on a manual clock, a staging area.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/feed/feed.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/temp_dir.h"

namespace entropyd {

class FeedTest : public testing::Test {
 protected:
  using Bytes = std::vector<uint8_t>;
  static constexpr int64_t kSecond = kSecondNanos;

  FeedTest() {
    host_.loop = loop_.get();
    host_.log = &log_;
    host_.staging = absl::MakeSpan(staging_);
    Limit(ClassTree::kUnlimited);
  }

  // Makes the class anew, with another guest_ceil.
  void Limit(uint64_t guest_ceil) {
    const ClassSettings settings{"default/gold", 1 << 20, 3600 * kSecondNanos, guest_ceil};
    served_.reset();
    served_ =
        ServedClass::Create(settings, nullptr, &counters_, arena_.get(), &clock_, &log_).value();
    loop_->SetAfterTurn([this] { served_->Serve(loop_->now_nanos()); });
  }
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    loop_->RunOnce(0);
  }
  ClassBuffer& buffer() { return *served_->buffer(); }
  // Bytes of the fake stream (tests/hostagent/fake_buffer.h).
  void Fill(size_t bytes) {
    buffer().Append(StreamBytes(appended_, bytes));
    appended_ += bytes;
    served_->OnArrival();
  }
  void Arrive(size_t bytes) {
    Fill(bytes);
    Turn();
  }
  bool StagingIsClean() const {
    for (size_t i = Feed::kHeadroom; i < staging_.size(); ++i) {
      if (staging_[i] != 0) return false;
    }
    return true;
  }

  TempDir dir_;
  ManualClock clock_{kSecond};
  Log log_{&clock_, -1};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  ClassCounters counters_{"default/gold"};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(8 << 20, SecretArena::Locking::kBestEffort).value();
  std::unique_ptr<ServedClass> served_;
  uint64_t appended_ = 0;
  Bytes staging_ = Bytes(Connection::kStagingBytes);
  ConnectionHost host_;
};

}  // namespace entropyd
