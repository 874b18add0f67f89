#include "hostagent/loop/fd_watch.h"

#include <utility>

namespace entropyd {

absl::Status FdWatch::Begin(int fd, uint32_t events) {
  End();
  auto id = loop_->Watch(fd, events, handler_);
  if (id.ok()) id_ = *id;
  return id.status();
}

void FdWatch::End() {
  if (id_ != 0) loop_->Unwatch(std::exchange(id_, 0));
}

}  // namespace entropyd
