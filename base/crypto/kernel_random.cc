#include "base/crypto/kernel_random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>

namespace entropyd {

bool FillFromKernel(absl::Span<uint8_t> out) {
  size_t filled = 0;
  while (filled < out.size()) {
    // A signal may cut a long request short (getrandom(2)); the loop asks for the rest.
    const ssize_t n = getrandom(out.data() + filled, out.size() - filled, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      std::fill(out.begin(), out.end(), uint8_t{0});
      return false;
    }
    filled += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace entropyd
