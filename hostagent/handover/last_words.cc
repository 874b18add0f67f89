#include "hostagent/handover/last_words.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text/utf8.h"

namespace entropyd {
namespace {

constexpr char kVariable[] = "ENTROPYD_LAST_WORDS_FD";

}  // namespace

absl::StatusOr<LastWords> LastWords::Create() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe");
  return LastWords(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

LastWords::LastWords(UniqueFd read_end, UniqueFd write_end)
    : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {
  const std::string name = absl::StrCat(kVariable, "=");
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!absl::StartsWith(*variable, name)) variables_.emplace_back(*variable);
  }
  variables_.push_back(absl::StrCat(name, write_end_.get()));
  for (std::string& variable : variables_) pointers_.push_back(variable.data());
  pointers_.push_back(nullptr);
}

std::string LastWords::Read() const {
  char text[kMaxBytes];
  const ssize_t n = read(read_end_.get(), text, sizeof text);
  const absl::string_view words(text, n > 0 ? static_cast<size_t>(n) : 0);
  return ReplaceInvalidUtf8(absl::StripTrailingAsciiWhitespace(words));
}

UniqueFd TakeLastWordsFd() {
  const char* const value = getenv(kVariable);
  int number = -1;
  const bool named = value != nullptr && absl::SimpleAtoi(value, &number) && number > STDERR_FILENO;
  unsetenv(kVariable);
  struct stat info;
  if (!named || fstat(number, &info) != 0 || !S_ISFIFO(info.st_mode)) return UniqueFd();
  fcntl(number, F_SETFD, FD_CLOEXEC);
  return UniqueFd(number);
}

void WriteLastWords(int fd, absl::string_view reason) {
  if (fd < 0) return;
  reason = CutUtf8(reason, LastWords::kMaxBytes);
  (void)!write(fd, reason.data(), reason.size());
}

}  // namespace entropyd
