// libvirt's status files, /run/libvirt/qemu/NAME.xml, kept up to date: tells which domain belongs
// to a QEMU's pid.
//
//   LibvirtDirectory directory("/run/libvirt/qemu", &log);
//   std::vector<int32_t> changed;
//   directory.Refresh(&changed);             // before each lookup, and when fd() is readable
//   const LibvirtDomain* domain = directory.Find(pid, uid);
//
// libvirt replaces a file by renaming a new one over it, before QEMU runs and at each change since.
// The kernel tells this by inotify, in order. So a lookup after Refresh() knows everything that was
// written before the peer connected, and only what has changed is read again. Without inotify every
// Refresh() looks at the directory.
//
// A file counts for peers of any user if root, or this process's user, owns it. Otherwise it counts
// only for peers of its owner: a session daemon's user may say anything of that user's own guests.
//
// Errors: logged once each. A file that cannot be read names no domain.
//
// Thread safety: none; belongs to one thread, which may block on the file system.
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
#include "base/telemetry/log.h"

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
  // All reads, ever.
  uint64_t files_read() const { return files_read_; }

 private:
  struct File {
    LibvirtDomain domain;
    uid_t owner = 0;
    ino_t inode = 0;
    // The file's mtime, in ns.
    int64_t changed_at = 0;
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
  // The log has said why the directory cannot be read.
  bool told_ = false;
  // By name in the directory.
  std::map<std::string, File> files_;
  std::unordered_map<int32_t, std::string> by_pid_;
  // Files that the log has complained of since they were last good.
  std::set<std::string> complained_;
  uint64_t files_read_ = 0;
};

}  // namespace entropyd
