#include "base/process/thread.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::StatusOr<std::thread> StartThread(std::function<void()> run) {
  try {
    return std::thread(std::move(run));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("start a thread: ", error.code().message(),
                     "; raise TasksMax= of the service, RLIMIT_NPROC (ulimit -u) or its memory"));
  }
}

}  // namespace entropyd
