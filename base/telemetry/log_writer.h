// Writes lines to a descriptor from a thread of its own, so that its callers never wait: a pipe
// that nobody reads must not stop a service.
//
//   LogWriter writer(STDERR_FILENO);
//   writer.Put("event=x\n", [](uint64_t count) { return absl::StrCat("dropped=", count, "\n"); });
//
// Lines leave in the order in which they came. The queue is bounded. A line that finds it full, and
// one that cannot be written, is dropped and counted. The next line that is taken tells how many
// there were: `told` makes that text, which stands before it.
//
// Errors: none; dropped() counts. A child that was forked without exec has no such thread, and must
// not use the writer.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd {

class LogWriter {
 public:
  // Some 5,000 lines: what 10,000 agents cause in the seconds after a restart, with a reader that
  // is a little slower.
  static constexpr size_t kMaxBytes = 1 << 20;
  // How long an end waits for a reader. It is short beside the time that systemd gives a service
  // to stop.
  static constexpr absl::Duration kEndPatience = absl::Seconds(1);

  using Told = absl::FunctionRef<std::string(uint64_t)>;

  // Does not close `fd`, which must stay open. The thread starts with the first line.
  explicit LogWriter(int fd, size_t max_bytes = kMaxBytes);
  // Does not wait for lines; see Flush().
  ~LogWriter();

  // Takes the line, or drops it. `told` runs at once, or never.
  void Put(std::string line, Told told);
  // If dropped lines are still untold, puts the text that tells them.
  void Tell(Told told);
  // Waits until every line has left, but not longer than `patience`. False = not all have.
  bool Flush(absl::Duration patience);
  // Lines since the start.
  uint64_t dropped() const;

 private:
  struct State;
  // The thread shares it. A thread that hangs in write(2) may live longer than the writer.
  const std::shared_ptr<State> state_;
};

}  // namespace entropyd
