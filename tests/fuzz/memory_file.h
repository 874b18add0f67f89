// A file in memory, where fsync costs nothing, for targets whose input is the text of a file.
//
//   const std::string& dir = MemoryDir();
//   WriteFile(ClassStatePath(dir), text);
//
// Thread safety: none.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "absl/strings/string_view.h"
#include "tests/fuzz/check.h"
#include "tests/temp_dir.h"

namespace entropyd::fuzz {

// A directory of this process, which goes when it ends.
inline const std::string& MemoryDir() {
  static const TempDir dir(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  return dir.path();
}

// The file holds this text, and nothing else.
inline void WriteFile(const std::string& path, absl::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FUZZ_CHECK(fd >= 0);
  FUZZ_CHECK(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(fd);
}

}  // namespace entropyd::fuzz
