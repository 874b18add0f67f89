#include "server/reload/file_watch.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/process/nanos.h"

namespace entropyd {

void FileWatch::Set(std::vector<std::string> paths) {
  std::vector<File> files;
  for (std::string& path : paths) {
    const auto known = std::find_if(files_.begin(), files_.end(),
                                    [&path](const File& file) { return file.path == path; });
    files.push_back(known != files_.end() ? *known : File{std::move(path), false, {}});
  }
  files_ = std::move(files);
}

FileWatch::Stamp FileWatch::StampOf(const std::string& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino, found.st_size,
          found.st_mtim.tv_sec * kSecondNanos + found.st_mtim.tv_nsec,
          found.st_ctim.tv_sec * kSecondNanos + found.st_ctim.tv_nsec};
}

uint64_t FileWatch::Look() {
  uint64_t changed = 0;
  for (size_t i = 0; i < files_.size(); ++i) {
    File& file = files_[i];
    if (file.path.empty()) continue;
    const Stamp stamp = StampOf(file.path);
    if (file.seen && file.stamp == stamp) continue;
    file.seen = true;
    file.stamp = stamp;
    changed |= uint64_t{1} << i;
  }
  return changed;
}

}  // namespace entropyd
