#include "server/door/door_thread.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/process/thread.h"

namespace entropyd {
namespace {

// How long a turn waits when nothing hurries it.
constexpr absl::Duration kPatience = absl::Seconds(1);

}  // namespace

absl::Status DoorThread::Start(Door::Receive receive) {
  absl::StatusOr<std::thread> thread = StartThread([this, receive = std::move(receive)] {
    while (!stopping_) door_->Turn(receive, kPatience);
  });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

void DoorThread::Stop() {
  stopping_ = true;
  door_->Wake();
  if (thread_.joinable()) thread_.join();
}

}  // namespace entropyd
