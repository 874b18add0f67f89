#include "base/process/malloc_pages.h"

#include <malloc.h>

namespace entropyd {
namespace {

// How much free memory stays at the top of a heap: 8 messages each way, with gRPC's copies.
constexpr int kTrimThreshold = 4 << 20;
// Larger than any block of a message. Large tables made at start may still be mapped.
constexpr int kMapThreshold = 2 << 20;

}  // namespace

void KeepFreedPages() {
  mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  mallopt(M_MMAP_THRESHOLD, kMapThreshold);
}

}  // namespace entropyd
