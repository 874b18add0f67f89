// A member of a FairQueue without a socket.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "hostagent/serving/fair_queue.h"

namespace entropyd {

// Takes what the queue offers, up to a plan's size.
class FakeMember final : public FairQueue::Member {
 public:
  explicit FakeMember(ClassBuffer* buffer) : buffer_(buffer) {}

  uint64_t Want() override { return blocked ? 0 : wanted - planned; }
  uint32_t Plan(uint32_t bytes) override {
    if (blocked) return 0;
    ++offers;
    const uint32_t taken = std::min(bytes, plan_size - planned);
    if (taken == 0) full = true;
    planned += taken;
    return taken;
  }
  FairQueue::After Deliver() override {
    ++deliveries;
    if (on_deliver) on_deliver();
    std::vector<uint8_t> out(planned);
    const size_t got = buffer_->Take(absl::MakeSpan(out));
    EXPECT_EQ(got, planned) << "a pass gave away more than there was";
    wanted -= planned;
    delivered += planned;
    planned = 0;
    if (block_after && delivered >= block_after) blocked = true;
    if (blocked) return FairQueue::After::kBlocked;
    return std::exchange(full, false) || endless ? FairQueue::After::kAgain
                                                 : FairQueue::After::kDone;
  }

  uint64_t wanted = 0;
  uint64_t delivered = 0;
  uint64_t block_after = 0;
  uint32_t plan_size = 4096;
  bool blocked = false;
  // Says each time that another pass would serve it, as one that is sent replies without entropy.
  bool endless = false;
  int deliveries = 0;
  // How often it was offered something.
  int offers = 0;
  std::function<void()> on_deliver;

 private:
  ClassBuffer* const buffer_;
  uint32_t planned = 0;
  bool full = false;
};

}  // namespace entropyd
