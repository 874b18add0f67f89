#include "base/process/malloc_pages.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

// Larger than any hole that earlier code may have left in the heap.
constexpr size_t kMessage = 1536 * 1024;

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

// In a process of its own: the settings stay.
TEST(MallocPagesDeathTest, AMessageTakesAndLeavesPagesOfTheHeap) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        // What glibc starts with; it moves them by itself as blocks come and go.
        mallopt(M_MMAP_THRESHOLD, 128 * 1024);
        mallopt(M_TRIM_THRESHOLD, 128 * 1024);
        const size_t mapped = mallinfo2().hblks;
        if (OfOneMessage().mapped_blocks == mapped) exit(1);  // mapped anew, as is to be avoided

        KeepFreedPages();
        const Footprint footprint = OfOneMessage();
        if (footprint.mapped_blocks != mapped) exit(2);
        if (footprint.heap_after != footprint.heap_while) exit(3);
        exit(0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace entropyd
