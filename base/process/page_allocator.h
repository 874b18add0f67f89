// An allocator for standard containers. Its large blocks are pages of their own, which go back to
// the kernel when the block is freed. malloc returns only the top of a heap: what is freed below it
// stays resident.
//
//   std::vector<Run, PageAllocator<Run>> runs;
//
// A block of kMinMapped bytes or more costs a system call, and its pages fault in when they are
// first used.
//
// Errors: std::bad_alloc, as operator new.
//
// Thread safety: any thread may call.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace entropyd {

template <typename T>
class PageAllocator {
 public:
  using value_type = T;
  static constexpr size_t kMinMapped = 4096;

  PageAllocator() = default;
  // The containers' conversion.
  template <typename U>
  explicit PageAllocator(const PageAllocator<U>&) {}

  T* allocate(size_t n) {
    const size_t bytes = n * sizeof(T);
    if (bytes < kMinMapped) return static_cast<T*>(::operator new(bytes));
    void* const pages =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    return static_cast<T*>(pages);
  }
  void deallocate(T* block, size_t n) {
    const size_t bytes = n * sizeof(T);
    if (bytes < kMinMapped) return ::operator delete(block);
    munmap(block, bytes);
  }

  friend bool operator==(const PageAllocator&, const PageAllocator&) { return true; }
};

}  // namespace entropyd
