#include "base/process/page_allocator.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

bool Mapped(const void* address) {
  unsigned char resident = 0;
  const auto page = reinterpret_cast<uintptr_t>(address) & ~uintptr_t{4095};
  return mincore(reinterpret_cast<void*>(page), 1, &resident) == 0;
}

using Vector = std::vector<uint64_t, PageAllocator<uint64_t>>;

TEST(PageAllocatorTest, ALargeBlockGoesBackToTheKernelWhenItIsFreed) {
  Vector large(1 << 17, 7);
  const void* const block = large.data();
  EXPECT_TRUE(Mapped(block));
  Vector().swap(large);
  EXPECT_FALSE(Mapped(block));
  EXPECT_EQ(errno, ENOMEM);
}

TEST(PageAllocatorTest, TheSmallestMappedBlockGoesBackToo) {
  PageAllocator<char> allocator;
  char* const block = allocator.allocate(PageAllocator<char>::kMinMapped);
  block[PageAllocator<char>::kMinMapped - 1] = 1;
  allocator.deallocate(block, PageAllocator<char>::kMinMapped);
  EXPECT_FALSE(Mapped(block));
}

// A single block may lie at the start of a page by chance, so the test asks for more blocks than
// that.
TEST(PageAllocatorTest, SmallBlocksShareTheirPages) {
  PageAllocator<char> allocator;
  std::vector<char*> blocks(256);
  for (char*& block : blocks) block = allocator.allocate(100);
  std::set<uintptr_t> pages;
  for (char* block : blocks) pages.insert(reinterpret_cast<uintptr_t>(block) / 4096);
  EXPECT_LT(pages.size(), blocks.size() / 4);
  for (char* block : blocks) allocator.deallocate(block, 100);
}

TEST(PageAllocatorTest, AVectorKeepsItsContentsWhileItGrows) {
  Vector numbers;
  for (uint64_t i = 0; i < 100'000; ++i) numbers.push_back(i);
  EXPECT_EQ(std::accumulate(numbers.begin(), numbers.end(), uint64_t{0}), 4'999'950'000u);
  Vector moved = std::move(numbers);
  EXPECT_EQ(moved.back(), 99'999u);
}

}  // namespace
}  // namespace entropyd
