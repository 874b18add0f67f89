// Which host this is to the servers: 16 random bytes, made once and kept on disk, so that a
// restarted agent replaces its old stream instead of appearing beside it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/wire/attach_limits.h"

namespace entropyd {

// Reads state_dir/host_id (32 hexadecimal digits), or makes it: the directory with mode 0700 when
// missing, the file with mode 0600 and complete or not at all. Of several processes that make it at
// once, all get the same. Errors: PERMISSION_DENIED and the like naming the path,
// FAILED_PRECONDITION when the file is damaged.
absl::StatusOr<std::string> LoadOrCreateHostId(const std::string& state_dir);

}  // namespace entropyd
