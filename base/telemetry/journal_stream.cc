#include "base/telemetry/journal_stream.h"

#include <sys/stat.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace entropyd {

bool LeadsToJournal(int fd) {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat file;
  return stream != nullptr && fstat(fd, &file) == 0 &&
         stream == absl::StrCat(file.st_dev, ":", file.st_ino);
}

}  // namespace entropyd
