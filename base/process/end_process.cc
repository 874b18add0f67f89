#include "base/process/end_process.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ENTROPYD_FINDS_LEAKS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ENTROPYD_FINDS_LEAKS
#endif

#ifdef ENTROPYD_FINDS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

namespace entropyd {

void EndProcess(int status) {
  std::cout.flush();
  // Not all streams, as exit(3) does: a thread that hangs may hold the lock of its own.
  fflush(stdout);
  fflush(stderr);
#ifdef ENTROPYD_FINDS_LEAKS
  __lsan_do_leak_check();  // exit(3) would
#endif
  _exit(status);
}

}  // namespace entropyd
