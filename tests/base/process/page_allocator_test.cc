#include "base/process/page_allocator.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <numeric>
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
  char* const block = allocator.allocate(PageAllocator<char>::kLeastMapped);
  block[PageAllocator<char>::kLeastMapped - 1] = 1;
  allocator.deallocate(block, PageAllocator<char>::kLeastMapped);
  EXPECT_FALSE(Mapped(block));
}

TEST(PageAllocatorTest, ASmallBlockHasNoPageOfItsOwn) {
  PageAllocator<char> allocator;
  char* const one = allocator.allocate(100);
  char* const other = allocator.allocate(100);
  EXPECT_NE(reinterpret_cast<uintptr_t>(one) % 4096, 0u);
  EXPECT_NE(reinterpret_cast<uintptr_t>(other) % 4096, 0u);
  allocator.deallocate(one, 100);
  allocator.deallocate(other, 100);
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
