// A number with one writer, the event loop's thread, and any number of readers. It needs no locked
// instruction, and no read is torn.
//
//   LoopNumber refused;
//   refused.Add(1);   // the loop's thread
//   refused.Get();    // any thread
//
// Errors: none.
//
// Thread safety: Get() is safe; the rest belongs to the event loop's thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace entropyd {

class LoopNumber {
 public:
  void Add(uint64_t n) { Set(Get() + n); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace entropyd
