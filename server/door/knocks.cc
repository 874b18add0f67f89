#include "server/door/knocks.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::StatusOr<UniqueFd> Knocks::Add() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  UniqueFd client(ends[0]), server(ends[1]);
  absl::MutexLock lock(&mutex_);
  taken_.erase(std::remove_if(taken_.begin(), taken_.end(),
                              [](const GivenSocket& one) { return !one.IsOpen(); }),
               taken_.end());
  if (waiting_.size() + taken_.size() >= kMaxOpen) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the last ", kMaxOpen, " probes are still open: nobody ended them"));
  }
  waiting_.push_back(std::move(server));
  return client;
}

std::vector<UniqueFd> Knocks::Take() {
  std::vector<UniqueFd> taken;
  absl::MutexLock lock(&mutex_);
  taken.swap(waiting_);
  for (const UniqueFd& one : taken) taken_.push_back(GivenSocket::Of(one.get()));
  return taken;
}

}  // namespace entropyd
