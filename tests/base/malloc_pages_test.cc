#include "base/malloc_pages.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr size_t kMessage = 300 * 1024;

// Bytes of malloc's heap and mappings that are in the process while and after a message lives.
struct Footprint {
  size_t mapped_blocks, heap_while, heap_after;
};

Footprint OfOneMessage() {
  char* volatile message = static_cast<char*>(malloc(kMessage));
  memset(message, 1, kMessage);
  Footprint footprint = {};
  footprint.mapped_blocks = mallinfo2().hblks;
  footprint.heap_while = mallinfo2().arena;
  free(message);
  footprint.heap_after = mallinfo2().arena;
  return footprint;
}

// In a process of its own: the setting stays.
TEST(MallocPagesDeathTest, AMessageTakesAndLeavesPagesOfTheHeap) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        KeepFreedPages();
        const size_t mapped_before = mallinfo2().hblks;
        const Footprint footprint = OfOneMessage();
        exit(footprint.mapped_blocks == mapped_before &&
                     footprint.heap_after == footprint.heap_while
                 ? 0
                 : 1);
      },
      testing::ExitedWithCode(0), "");
}

// What it is there for: without it this very message is mapped and unmapped.
TEST(MallocPagesDeathTest, WithoutItAMessageIsMappedAnew) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const size_t mapped_before = mallinfo2().hblks;
        exit(OfOneMessage().mapped_blocks > mapped_before ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace entropyd
