#include "client/guest_boot/initramfs.h"

#include <sys/stat.h>

#include "absl/strings/str_format.h"

namespace entropyd {

void Initramfs::Pad() {
  // The header with its name, and the contents, each end at a multiple of four.
  archive_.append((4 - archive_.size() % 4) % 4, '\0');
}

void Initramfs::Append(absl::string_view path, uint32_t mode, absl::string_view contents,
                       uint32_t major, uint32_t minor) {
  const uint32_t links = S_ISDIR(mode) ? 2 : 1;
  // magic ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize
  // check
  absl::StrAppendFormat(&archive_, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
                        next_inode_++, mode, 0, 0, links, 0, contents.size(), 0, 0, major, minor,
                        path.size() + 1, 0);
  archive_.append(path.data(), path.size());
  archive_.push_back('\0');
  Pad();
  archive_.append(contents.data(), contents.size());
  Pad();
}

void Initramfs::AddDirectory(absl::string_view path) { Append(path, S_IFDIR | 0755, "", 0, 0); }

void Initramfs::AddFile(absl::string_view path, uint32_t permissions, absl::string_view contents) {
  Append(path, S_IFREG | permissions, contents, 0, 0);
}

void Initramfs::AddCharDevice(absl::string_view path, uint32_t permissions, uint32_t major,
                              uint32_t minor) {
  Append(path, S_IFCHR | permissions, "", major, minor);
}

std::string Initramfs::Finish() && {
  next_inode_ = 0;
  Append("TRAILER!!!", 0, "", 0, 0);
  return std::move(archive_);
}

}  // namespace entropyd
