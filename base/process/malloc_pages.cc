#include "base/process/malloc_pages.h"

#include <malloc.h>

namespace entropyd {
namespace {

// The top of a heap that stays: 8 messages of both directions, with what gRPC copies of them.
constexpr int kTrimThreshold = 4 << 20;
// Larger than any block that is allocated per message; startup's tables may still be mapped.
constexpr int kMapThreshold = 2 << 20;

}  // namespace

void KeepFreedPages() {
  mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  mallopt(M_MMAP_THRESHOLD, kMapThreshold);
}

}  // namespace entropyd
