#include "client/ctl/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cerrno>

#include "absl/time/clock.h"

namespace entropyd {
namespace {

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interrupt::~Interrupt() {
  // Consumes the signals that came: otherwise unblocking them would end the process.
  signalfd_siginfo info;
  while (fd_ && read(fd_.get(), &info, sizeof(info)) > 0) {
  }
  const sigset_t set = Signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool Interrupt::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const absl::Duration left = std::max(absl::ZeroDuration(), deadline - absl::Now());
    // Does not read the signal, so that every later Wait() sees it too.
    pollfd look{fd_.get(), POLLIN, 0};
    const int n = poll(&look, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (n > 0) return true;
    if (n == 0 || errno != EINTR) return false;
  }
}

}  // namespace entropyd
