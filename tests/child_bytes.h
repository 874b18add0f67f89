// What a child of this process makes of memory that it has from its parent.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {

// As many bytes as `fill` makes in a child; it returns whether it could.
inline std::vector<uint8_t> ChildBytes(size_t count,
                                       const std::function<bool(absl::Span<uint8_t>)>& fill) {
  std::vector<uint8_t> bytes(count);
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const pid_t child = fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    const bool filled = fill(absl::MakeSpan(bytes));
    _exit(filled && write(to.get(), bytes.data(), count) == static_cast<ssize_t>(count) ? 0 : 1);
  }
  to.reset();
  EXPECT_EQ(read(from.get(), bytes.data(), count), static_cast<ssize_t>(count));
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return bytes;
}

}  // namespace entropyd
