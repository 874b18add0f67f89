// How a process that fails tells the reason to the process that has started it: through a pipe
// whose number is in the environment. The log and the standard error get the reason as well.
//
//   auto words = LastWords::Create().value();          // in the process that starts another
//   ... posix_spawn(..., words.environment(), ...)     // with words.fd() open in the new one
//   if (failed) Tell(words.Read());
//
//   const UniqueFd words_fd = TakeLastWordsFd();       // in the taker, before other threads
//   WriteLastWords(words_fd.get(), status.message());
//
// Errors: of Create(). A process of a version that does not know the pipe leaves it empty.
//
// Thread safety: none; TakeLastWordsFd() changes the environment.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/process/fd.h"

namespace entropyd {

class LastWords {
 public:
  // A pipe holds this much without a reader, on every machine. It is more than ten lines of errors.
  static constexpr size_t kMaxBytes = 4096;

  // Errors: as ErrnoStatus.
  static absl::StatusOr<LastWords> Create();

  // The end for the taker. It closes at exec, unless the starter arranges otherwise.
  int fd() const { return write_end_.get(); }
  // This process's environment with the number of fd(). Valid while this object lives.
  char* const* environment() { return pointers_.data(); }
  // The taker has its end now.
  void Started() { write_end_.reset(); }
  // What has been written so far, as UTF-8 and without newlines at the end: it goes into messages.
  // REQUIRES: Started().
  std::string Read() const;

 private:
  LastWords(UniqueFd read_end, UniqueFd write_end);

  UniqueFd read_end_;
  UniqueFd write_end_;
  std::vector<std::string> variables_;
  std::vector<char*> pointers_;
};

// The pipe that the environment names, if one does. Processes that this one starts do not get it.
UniqueFd TakeLastWordsFd();
// Does nothing without a pipe, or when nobody reads it. REQUIRES: SIGPIPE is ignored.
void WriteLastWords(int fd, absl::string_view reason);

}  // namespace entropyd
