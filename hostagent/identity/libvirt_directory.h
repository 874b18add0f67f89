// libvirt's status files, /run/libvirt/qemu/NAME.xml, kept in step: which domain a QEMU's pid is.
//
//   LibvirtDirectory directory("/run/libvirt/qemu", &log);
//   std::vector<int32_t> changed;
//   directory.Refresh(&changed);             // before each lookup, and when fd() is readable
//   const LibvirtDomain* domain = directory.Find(pid, uid);
//
// libvirt replaces a file by renaming a new one over it, before QEMU runs and at each change since;
// the kernel tells by inotify, in order, so a lookup after Refresh() knows everything that was
// written before the peer connected, and only what has changed is ever read again. Where inotify is
// not to be had every Refresh() looks at the directory.
//
// A file counts for peers of any user if root, or this process's user, owns it, else only for peers
// of its owner: a session daemon's user may say of his own guests what he likes.
//
// Thread safety: none; belongs to one thread, for which it may block on the file system.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/libvirt/libvirt_domain.h"
#include "base/process/fd.h"
#include "base/process/log.h"

namespace entropyd {

class LibvirtDirectory {
 public:
  LibvirtDirectory(std::string path, Log* log);

  // Readable when Refresh() has something to do; -1 = call it from time to time.
  int fd() const { return watching_ ? inotify_.get() : -1; }

  // Appends the pids whose domain is new, or has another name, uuid or class than before.
  void Refresh(std::vector<int32_t>* changed);

  // nullptr = no domain of that pid. Valid until the next Refresh().
  const LibvirtDomain* Find(int32_t pid, uint32_t uid) const;

  size_t size() const { return files_.size(); }
  uint64_t files_read() const { return files_read_; }  // ever

 private:
  struct File {
    LibvirtDomain domain;
    uid_t owner = 0;
    ino_t inode = 0;
    int64_t changed_at = 0;  // mtime, ns
    off_t bytes = 0;
  };

  bool Watch();
  void Unwatch();
  void Scan(std::vector<int32_t>* changed);
  void Read(const std::string& name, std::vector<int32_t>* changed);
  void Accept(const std::string& name, File file, std::vector<int32_t>* changed);
  void Forget(const std::string& name);
  void Complain(const std::string& name, const absl::Status& why);

  const std::string path_;
  Log* const log_;
  UniqueFd inotify_;
  bool watching_ = false;
  bool told_ = false;                  // why the directory cannot be read
  std::map<std::string, File> files_;  // by name in the directory
  std::unordered_map<int32_t, std::string> by_pid_;
  std::set<std::string> complained_;  // of these files, since they were last good
  uint64_t files_read_ = 0;
};

}  // namespace entropyd
