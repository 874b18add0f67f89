// The id by which servers recognise this host: 16 random bytes, made once and kept on disk. So a
// restarted agent replaces its old stream and does not appear beside it.
//
//   absl::StatusOr<std::string> id = LoadOrCreateHostId("/var/lib/entropyd");
//
// Thread safety: functions without state; several processes may call them at once.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/wire/attach_limits.h"

namespace entropyd {

// Reads state_dir/host_id (32 hexadecimal digits), or makes it. It makes the directory with mode
// 0700 if it is missing. It makes the file with mode 0600, complete or not at all. When several
// processes make it at once, all get the same id. An empty file counts as missing; then `was_empty`
// becomes true, if given.
//
// Errors: PERMISSION_DENIED and the like, naming the path. FAILED_PRECONDITION when the file is
// damaged.
absl::StatusOr<std::string> LoadOrCreateHostId(const std::string& state_dir,
                                               bool* was_empty = nullptr);
// OK when LoadOrCreateHostId() could read the id, or there is none yet. Makes nothing. Errors: as
// above.
absl::Status CheckHostId(const std::string& state_dir);

}  // namespace entropyd
