// Random bytes of this host's kernel without a system call, where the kernel offers that. Linux
// 6.11 and later have getrandom() in the vDSO, which is code of the kernel that each process can
// call. Elsewhere it is getrandom(2).
//
//   VdsoRandom random;
//   if (!random.Fill(absl::MakeSpan(key))) …
//
// The bytes are those of getrandom(2): the vDSO has a state of its own in this process, takes a new
// key whenever the kernel's generator does (also after the machine was restored from a snapshot, if
// its hypervisor tells), and wipes what it gave. A child of fork() finds an empty state. Only a
// copy of this one process on the same kernel would go on with the state that it has.
//
// Errors: none; without a vDSO, or without memory for the state, each call is a system call.
//
// Thread safety: none; an object for each thread. Not for a signal's handler.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace entropyd {

class VdsoRandom {
 public:
  VdsoRandom();
  VdsoRandom(const VdsoRandom&) = delete;
  VdsoRandom& operator=(const VdsoRandom&) = delete;
  ~VdsoRandom();

  // As FillFromKernel().
  bool Fill(absl::Span<uint8_t> out);
  // Whether Fill() does without a system call.
  bool is_in_vdso() const { return state_ != nullptr; }

 private:
  // getrandom() of the vDSO: as getrandom(2), and the state with its size.
  using GetRandom = ssize_t (*)(void* out, size_t bytes, unsigned flags, void* state,
                                size_t state_bytes);

  GetRandom get_random_ = nullptr;
  void* state_ = nullptr;
  size_t state_bytes_ = 0;
};

}  // namespace entropyd
