#include "base/process/thread.h"

#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace entropyd {
namespace {

// Timers, the executor, the first that polls; and one more for each processor.
constexpr size_t kGrpcThreads = 8;

}  // namespace

absl::StatusOr<std::thread> StartThread(std::function<void()> run) {
  try {
    return std::thread(std::move(run));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("start a thread: ", error.code().message(),
                     "; raise TasksMax= of the service, RLIMIT_NPROC (ulimit -u) or its memory"));
  }
}

absl::Status CheckThreadsForGrpc() {
  absl::Notification enough;
  absl::Status status;
  std::vector<std::thread> all;
  const size_t wanted = kGrpcThreads + std::thread::hardware_concurrency();
  while (status.ok() && all.size() < wanted) {
    absl::StatusOr<std::thread> thread = StartThread([&] { enough.WaitForNotification(); });
    status = thread.status();
    if (thread.ok()) all.push_back(*std::move(thread));
  }
  enough.Notify();
  for (std::thread& thread : all) thread.join();
  return status;
}

}  // namespace entropyd
