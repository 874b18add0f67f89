#include "hostagent/identity/libvirt_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

constexpr char kSuffix[] = ".xml";
// The log complains of this many files in the directory, and of no more.
constexpr size_t kMaxComplaints = 100;
constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

int64_t ChangedAt(const struct stat& found) {
  return int64_t{found.st_mtim.tv_sec} * kSecondNanos + found.st_mtim.tv_nsec;
}

absl::StatusOr<std::string> ReadAll(int fd, size_t bytes) {
  std::string text(bytes, '\0');
  size_t got = 0;
  while (got < bytes) {
    const ssize_t n = read(fd, text.data() + got, bytes - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "read");
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  text.resize(got);
  return text;
}

bool SameIdentity(const LibvirtDomain& a, const LibvirtDomain& b) {
  return a.pid == b.pid && a.name == b.name && a.uuid == b.uuid && a.class_name == b.class_name &&
         a.class_error == b.class_error;
}

}  // namespace

LibvirtDirectory::LibvirtDirectory(std::string path, Log* log)
    : path_(std::move(path)), log_(log), inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

// True when the directory is watched from now on and was not before.
bool LibvirtDirectory::Watch() {
  if (!inotify_) return false;
  if (inotify_add_watch(inotify_.get(), path_.c_str(), kEvents) < 0) return false;
  watching_ = true;
  return true;
}

void LibvirtDirectory::Unwatch() {
  // A new descriptor, because the old one may hold old events.
  watching_ = false;
  inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

void LibvirtDirectory::Refresh(std::vector<int32_t>* changed) {
  if (!watching_) {
    Watch();
    Scan(changed);
    return;
  }
  // News that comes from now on is left for the next call: a writer that goes on writing must not
  // keep us here.
  int left = 0;
  if (ioctl(inotify_.get(), FIONREAD, &left) != 0) left = 0;
  // However often a file has changed, it is read once.
  std::set<std::string> names;
  bool missed = false;
  while (left > 0) {
    alignas(inotify_event) char buffer[16 * (sizeof(inotify_event) + NAME_MAX + 1)];
    const ssize_t n = read(inotify_.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    left -= static_cast<int>(n);
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
        Unwatch();
        Watch();
        return Scan(changed);
      }
      missed |= (event->mask & IN_Q_OVERFLOW) != 0;
      if (event->len > 0 && absl::EndsWith(event->name, kSuffix)) names.insert(event->name);
    }
  }
  if (missed) return Scan(changed);
  for (const std::string& name : names) Read(name, changed);
}

void LibvirtDirectory::Scan(std::vector<int32_t>* changed) {
  std::set<std::string> present;
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(path_.c_str()));
  if (directory == nullptr && errno != ENOENT && !std::exchange(told_, true)) {
    log_->Error("libvirt.unreadable",
                {{"reason", ErrnoStatus(errno, absl::StrCat("open ", path_))},
                 {"remedy",
                  "run the agent as root, or set `identify: cgroup`; guests keep their "
                  "listener's class meanwhile"}});
  }
  if (directory != nullptr) told_ = false;
  while (const dirent* entry = directory == nullptr ? nullptr : readdir(directory.get())) {
    if (!absl::EndsWith(entry->d_name, kSuffix)) continue;
    present.insert(entry->d_name);
    Read(entry->d_name, changed);
  }
  std::vector<std::string> gone;
  for (const auto& [name, file] : files_) {
    if (!present.contains(name)) gone.push_back(name);
  }
  for (const std::string& name : gone) Forget(name);
}

void LibvirtDirectory::Read(const std::string& name, std::vector<int32_t>* changed) {
  const std::string path = absl::StrCat(path_, "/", name);
  // Non-blocking: a FIFO in the place of a file must not block this thread.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    const int error = errno;
    Forget(name);
    if (error != ENOENT) Complain(name, ErrnoStatus(error, absl::StrCat("open ", path)));
    return;
  }
  struct stat found;
  if (fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode)) return Forget(name);
  File file;
  file.owner = found.st_uid;
  file.inode = found.st_ino;
  file.changed_at = ChangedAt(found);
  file.bytes = found.st_size;
  const auto known = files_.find(name);
  if (known != files_.end() && !watching_ && known->second.inode == file.inode &&
      known->second.changed_at == file.changed_at && known->second.bytes == file.bytes) {
    return;
  }
  if (static_cast<uint64_t>(found.st_size) > kMaxLibvirtXmlBytes) {
    Forget(name);
    return Complain(name, absl::InvalidArgumentError(absl::StrCat(path, ": too large")));
  }
  ++files_read_;
  auto text = ReadAll(fd.get(), static_cast<size_t>(found.st_size));
  auto domain = text.ok() ? ParseLibvirtDomain(*text) : text.status();
  if (!domain.ok()) {
    Forget(name);
    return Complain(name, domain.status());
  }
  complained_.erase(name);
  if (domain->pid == 0) return Forget(name);  // only defined: it does not run
  file.domain = *std::move(domain);
  Accept(name, std::move(file), changed);
}

void LibvirtDirectory::Accept(const std::string& name, File file, std::vector<int32_t>* changed) {
  const auto known = files_.find(name);
  const bool news = known == files_.end() || !SameIdentity(known->second.domain, file.domain);
  if (known != files_.end()) Forget(name);
  by_pid_[file.domain.pid] = name;
  if (news) changed->push_back(file.domain.pid);
  files_[name] = std::move(file);
}

void LibvirtDirectory::Forget(const std::string& name) {
  const auto known = files_.find(name);
  if (known == files_.end()) return;
  const auto place = by_pid_.find(known->second.domain.pid);
  if (place != by_pid_.end() && place->second == name) by_pid_.erase(place);
  files_.erase(known);
}

void LibvirtDirectory::Complain(const std::string& name, const absl::Status& why) {
  if (complained_.size() >= kMaxComplaints || !complained_.insert(name).second) return;
  log_->Warning("libvirt.bad_status_file",
                {{"file", absl::StrCat(path_, "/", name)}, {"reason", why}});
}

const LibvirtDomain* LibvirtDirectory::Find(int32_t pid, uint32_t uid) const {
  const auto place = by_pid_.find(pid);
  if (place == by_pid_.end()) return nullptr;
  const File& file = files_.at(place->second);
  const bool trusted = file.owner == 0 || file.owner == geteuid() || file.owner == uid;
  return trusted ? &file.domain : nullptr;
}

}  // namespace entropyd
