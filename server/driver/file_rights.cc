#include "server/driver/file_rights.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

std::string WhoElse(const struct stat& file, mode_t group_bit, mode_t others_bit) {
  if (file.st_uid != 0 && file.st_uid != geteuid()) {
    return absl::StrCat("its owner, user ", file.st_uid, ",");
  }
  if ((file.st_mode & others_bit) != 0) return "everybody";
  const bool own_group = file.st_gid == 0 || file.st_gid == getegid();
  if ((file.st_mode & group_bit) != 0 && !own_group) return absl::StrCat("group ", file.st_gid);
  return "";
}

}  // namespace

std::string WhoElseMayWrite(const struct stat& file) { return WhoElse(file, S_IWGRP, S_IWOTH); }

std::string WhoElseMayRead(const struct stat& file) { return WhoElse(file, S_IRGRP, S_IROTH); }

absl::Status CannotUse(int error, absl::string_view what, absl::string_view path) {
  const absl::Status status = ErrnoStatus(error, what);
  std::string remedy;
  if (absl::IsNotFound(status)) {
    remedy = "; correct the path, or plug in what belongs there";
  } else if (error == EACCES) {
    remedy =
        "; let the server's user use it: by its group and mode (a rule of udev, chgrp, chmod) and "
        "SupplementaryGroups= of the unit";
  } else if (error == EPERM) {
    remedy = absl::StrCat("; add DeviceAllow=", path, " rw to the unit, which keeps other devices ",
                          "away");
  }
  return absl::Status(status.code(), absl::StrCat(status.message(), remedy));
}

absl::Status CheckAccess(const std::string& path, int mode, absl::string_view what) {
  if (faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0) return absl::OkStatus();
  return CannotUse(errno, what, path);
}

}  // namespace entropyd
