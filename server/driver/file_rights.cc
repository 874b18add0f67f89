#include "server/driver/file_rights.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"

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

}  // namespace entropyd
