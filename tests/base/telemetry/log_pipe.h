// A pipe that a log writes to, and that may stand for the journal's.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {

struct LogPipe {
  LogPipe() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    read = UniqueFd(ends[0]);
    write = UniqueFd(ends[1]);
  }
  // How systemd names it in JOURNAL_STREAM.
  std::string Name() const {
    struct stat file;
    EXPECT_EQ(fstat(write.get(), &file), 0);
    return absl::StrCat(file.st_dev, ":", file.st_ino);
  }

  UniqueFd read, write;
};

// What systemd says of the stream of this process, as long as this lives.
class JournalStreamSaid {
 public:
  explicit JournalStreamSaid(const std::string& name) { setenv("JOURNAL_STREAM", name.c_str(), 1); }
  ~JournalStreamSaid() { unsetenv("JOURNAL_STREAM"); }
  JournalStreamSaid(const JournalStreamSaid&) = delete;
  JournalStreamSaid& operator=(const JournalStreamSaid&) = delete;
};

}  // namespace entropyd
