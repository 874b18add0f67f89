// Tells when files may have changed, by a look at each: device, inode, size and times.
//
//   FileWatch watch;
//   watch.Set({"server.yaml", "crl.pem"});
//   if (watch.Look() & 0b10) ReadTheSecond();
//
// A look costs a stat(2) for each file. If a file is read after a look, the next look notices each
// change that the reading may have missed. Links are followed: a renewal may replace the link, or
// the file that it leads to.
//
// Errors: none; a file that is not there is one that may come.
//
// Thread safety: one owner.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace entropyd {

class FileWatch {
 public:
  // At most 64. A file that was watched before keeps what is known of it; the first look at a new
  // one finds it changed. An empty path never changes.
  void Set(std::vector<std::string> paths);

  // Which files have changed since the last look: bit i is that of path i.
  uint64_t Look();

 private:
  struct Stamp {
    bool operator==(const Stamp& other) const = default;

    // All zero: there is no such file.
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_nanos = 0;
    // Of the inode: two contents of one size may have one time of modification.
    int64_t changed_nanos = 0;
  };
  struct File {
    std::string path;
    bool seen = false;
    Stamp stamp;
  };
  static Stamp StampOf(const std::string& path);

  std::vector<File> files_;
};

}  // namespace entropyd
