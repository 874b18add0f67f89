// Writes an initramfs for a test guest in memory, in the "newc" cpio format of
// Documentation/driver-api/early-userspace/buffer-format.rst in the Linux tree.
//
//   Initramfs image;
//   image.AddDirectory("dev");
//   image.AddFile("init", 0755, program);
//   WriteFile(path, std::move(image).Finish());
//
// Errors: none.
//
// Thread safety: an Initramfs belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

class Initramfs {
 public:
  // Paths are relative to the root, without a leading slash. Add a directory before what is in it.
  void AddDirectory(absl::string_view path);
  // `permissions`: the lower twelve bits of the mode.
  void AddFile(absl::string_view path, uint32_t permissions, absl::string_view contents);
  void AddCharDevice(absl::string_view path, uint32_t permissions, uint32_t major, uint32_t minor);

  // Returns the archive with its trailer.
  std::string Finish() &&;

 private:
  void Append(absl::string_view path, uint32_t mode, absl::string_view contents, uint32_t major,
              uint32_t minor);
  void Pad();

  std::string archive_;
  uint32_t next_inode_ = 1;
};

}  // namespace entropyd
