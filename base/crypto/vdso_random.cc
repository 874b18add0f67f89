#include "base/crypto/vdso_random.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crypto/kernel_random.h"

namespace entropyd {
namespace {

// What the vDSO wants its state to be like (struct vgetrandom_opaque_params of <linux/random.h>,
// which Debian 12's headers do not have).
struct StateWanted {
  uint32_t bytes;
  uint32_t mmap_protection;
  uint32_t mmap_flags;
  uint32_t reserved[13];
};

}  // namespace

VdsoRandom::VdsoRandom() {
  // Each process has it loaded; the handle is as good as the process.
  void* const vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (vdso == nullptr) return;
  get_random_ = reinterpret_cast<GetRandom>(dlsym(vdso, "__vdso_getrandom"));
  StateWanted wanted = {};
  if (get_random_ == nullptr || get_random_(nullptr, 0, 0, &wanted, ~size_t{0}) != 0) return;
  void* const state = mmap(nullptr, wanted.bytes, static_cast<int>(wanted.mmap_protection),
                           static_cast<int>(wanted.mmap_flags), -1, 0);
  if (state == MAP_FAILED) return;
  state_ = state;
  state_bytes_ = wanted.bytes;
}

VdsoRandom::~VdsoRandom() {
  if (state_ != nullptr) munmap(state_, state_bytes_);
}

bool VdsoRandom::Fill(absl::Span<uint8_t> out) {
  // Never cut short but by a signal, in which case the rest is not worth a loop of its own.
  if (state_ != nullptr && get_random_(out.data(), out.size(), 0, state_, state_bytes_) ==
                               static_cast<ssize_t>(out.size())) {
    return true;
  }
  return FillFromKernel(out);
}

}  // namespace entropyd
