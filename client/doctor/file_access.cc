#include "client/doctor/file_access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace entropyd::doctor {
namespace {

constexpr mode_t kPermissions = 07777;

std::string UserName(uid_t uid) {
  const passwd* const entry = getpwuid(uid);
  return entry == nullptr ? absl::StrCat(uid) : entry->pw_name;
}

std::string GroupName(gid_t gid) {
  const group* const entry = getgrgid(gid);
  return entry == nullptr ? absl::StrCat(gid) : entry->gr_name;
}

std::string Show(const struct stat& file) {
  return absl::StrFormat("mode %04o of %s:%s", file.st_mode & kPermissions, UserName(file.st_uid),
                         GroupName(file.st_gid));
}

// As the kernel does: the first of owner, group and others that fits decides alone.
unsigned BitsFor(const Actor& actor, const struct stat& file) {
  if (actor.uid == file.st_uid) return (file.st_mode >> 6) & 7;
  if (actor.groups.count(file.st_gid) > 0) return (file.st_mode >> 3) & 7;
  return file.st_mode & 7;
}

bool Allows(const Actor& actor, const struct stat& file, unsigned want) {
  if (actor.overrides) return true;
  if (actor.reads_all)
    want &= ~static_cast<unsigned>(S_ISDIR(file.st_mode) ? kRead | kSearch : kRead);
  return (BitsFor(actor, file) & want) == want;
}

const char* Verb(unsigned want) {
  if ((want & kWrite) != 0) return " may not write ";
  return (want & kRead) != 0 ? " may not read " : " may not enter ";
}

}  // namespace

std::string WhyNot(const Actor& actor, const std::string& path, unsigned want) {
  std::filesystem::path walked;
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  for (const std::filesystem::path& name : whole) {
    walked /= name;
    struct stat file;
    if (stat(walked.c_str(), &file) != 0) {
      return errno == ENOENT ? absl::StrCat("there is no ", walked.string()) : "";
    }
    const bool last = walked == whole;
    const unsigned wanted = last ? want : kSearch;
    if (!last && !S_ISDIR(file.st_mode)) return absl::StrCat(walked.string(), " is no directory");
    if (Allows(actor, file, wanted)) continue;
    return absl::StrCat(actor.name, Verb(wanted), walked.string(), " (", Show(file), ")");
  }
  return "";
}

std::string ShowMode(const std::string& path) {
  struct stat file;
  return stat(path.c_str(), &file) == 0 ? Show(file) : "not there";
}

}  // namespace entropyd::doctor
