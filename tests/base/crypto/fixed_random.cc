#include "tests/base/crypto/fixed_random.h"

#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace entropyd {
namespace {

thread_local bool zeros_wanted = false;

}  // namespace

// It stands before that of the C library, for all of the program.
extern "C" ssize_t getrandom(void* out, size_t bytes, unsigned flags) {
  if (!zeros_wanted) return syscall(SYS_getrandom, out, bytes, flags);
  std::memset(out, 0, bytes);
  return static_cast<ssize_t>(bytes);
}

FixedRandom::FixedRandom() { zeros_wanted = true; }
FixedRandom::~FixedRandom() { zeros_wanted = false; }

}  // namespace entropyd
