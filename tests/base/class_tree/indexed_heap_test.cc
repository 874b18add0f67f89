#include "base/class_tree/indexed_heap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace entropyd {
namespace {

using ::testing::ElementsAre;

class IndexedHeapTest : public ::testing::Test {
 protected:
  std::vector<uint32_t> Drain() {
    std::vector<uint32_t> ids;
    while (!heap_.empty()) {
      ids.push_back(heap_.top_id());
      heap_.Remove(heap_.top_id());
    }
    return ids;
  }

  std::vector<uint32_t> places_ = std::vector<uint32_t>(64, IndexedHeap::kAbsent);
  IndexedHeap heap_{&places_};
};

TEST_F(IndexedHeapTest, EqualKeysLeaveInTheOrderTheyCame) {
  for (uint32_t id : {5, 3, 9, 1, 7}) heap_.Push(100, id);
  heap_.Rekey(3, 99);
  heap_.Rekey(3, 100);  // comes again
  EXPECT_THAT(Drain(), ElementsAre(5, 9, 1, 7, 3));
}

TEST_F(IndexedHeapTest, KeysThatWrapAroundKeepTheirOrder) {
  const uint64_t end = std::numeric_limits<uint64_t>::max();
  heap_.Push(end - 1, 1);
  heap_.Push(5, 2);  // seven later
  heap_.Push(end, 3);
  EXPECT_THAT(Drain(), ElementsAre(1, 3, 2));
}

TEST_F(IndexedHeapTest, RemovedIdsAreAbsent) {
  heap_.Push(1, 4);
  heap_.Remove(4);
  EXPECT_EQ(places_[4], IndexedHeap::kAbsent);
}

TEST_F(IndexedHeapTest, AgreesWithASortedSetUnderRandomChanges) {
  std::mt19937_64 random(20240229);
  std::set<std::pair<uint64_t, uint32_t>> expected;  // distinct keys: no ties
  std::vector<uint64_t> keys(places_.size(), 0);
  uint64_t base = std::numeric_limits<uint64_t>::max() - 1'000'000;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t id = static_cast<uint32_t>(random() % places_.size());
    const uint64_t key = (random() % 1'000'000) * 64 + id;
    const bool present = places_[id] != IndexedHeap::kAbsent;
    if (present) expected.erase({keys[id], id});
    switch (random() % 3) {
      case 0:
        if (present) heap_.Remove(id);
        break;
      default:
        keys[id] = key;
        expected.insert({key, id});
        if (present) {
          heap_.Rekey(id, base + key);
        } else {
          heap_.Push(base + key, id);
        }
    }
    ASSERT_EQ(heap_.size(), expected.size());
    if (!expected.empty()) {
      ASSERT_EQ(heap_.top_id(), expected.begin()->second) << "step " << step;
      ASSERT_EQ(heap_.top_key(), base + expected.begin()->first);
    }
  }
}

}  // namespace
}  // namespace entropyd
