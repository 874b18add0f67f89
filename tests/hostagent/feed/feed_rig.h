// All that a feed stands on: a class with a fake buffer, a loop on a manual clock, a staging area.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "hostagent/feed/feed.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/temp_dir.h"

namespace entropyd {

class FeedTest : public testing::Test {
 protected:
  using Bytes = std::vector<uint8_t>;
  static constexpr int64_t kSecond = 1'000'000'000;

  FeedTest() {
    host_.loop = loop_.get();
    host_.log = &log_;
    host_.staging = absl::MakeSpan(staging_);
    Limit(ClassTree::kUnlimited);
  }

  // The class anew, with another guest_ceil.
  void Limit(uint64_t guest_ceil) {
    tree_ = std::make_unique<FairQueue>(&buffer_, guest_ceil);
    class_.tree = tree_.get();
    class_.counters = &counters_;
    loop_->SetAfterBatch([this] { tree_->Serve(loop_->now_nanos()); });
  }
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    loop_->RunOnce(0);
  }
  void Arrive(size_t bytes) {
    buffer_.Fill(bytes);
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
  FakeBuffer buffer_;
  ClassCounters counters_{"default/gold"};
  std::unique_ptr<FairQueue> tree_;
  Bytes staging_ = Bytes(Connection::kStagingBytes);
  ConnectionHost host_;
  GuestClass class_;
};

}  // namespace entropyd
