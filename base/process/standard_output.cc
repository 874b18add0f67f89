#include "base/process/standard_output.h"

#include <errno.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

constexpr char kWhat[] = "write to standard output";

std::string Reason(int err) {
  // OpenStandardFds() opens a closed one for reading only.
  if (err == EBADF) return absl::StrCat(kWhat, ": it is closed");
  if (err == 0) return absl::StrCat(kWhat, ": it failed");
  return std::string(ErrnoStatus(err, kWhat).message());
}

absl::string_view Remedy(int err) {
  switch (err) {
    case EBADF:
      return "give it a file, a pipe or /dev/null";
    case ENOSPC:
    case EDQUOT:
      return "make room on its disk, or write to another one";
    case EPIPE:
      return "its reader has ended: let it read to the end";
    default:
      return "is its disk full, or its reader gone?";
  }
}

}  // namespace

absl::Status StandardOutputError(int err) {
  return absl::DataLossError(
      absl::StrCat(Reason(err), ", so the answer is not complete; ", Remedy(err)));
}

absl::Status WriteToStandardOutput(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return StandardOutputError(errno);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace entropyd
