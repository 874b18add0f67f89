// Writes the file in which a daemon tells the ports that it really bound, for port 0. One line
// `NAME=PORT` each.
//
//   WritePortsFile("/run/entropyd/ports", {{"grpc", 7743}, {"http", 9743}});
//
// Thread safety: a function without state; each file has one writer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace entropyd {

// Writes the whole file or nothing, so a reader that waits for it may read it as soon as it exists.
// Leaves out ports that are 0.
// Errors: FAILED_PRECONDITION when `path` exists and is not a regular file, because the new file
// would replace a device; else as ErrnoStatus.
absl::Status WritePortsFile(const std::string& path,
                            const std::vector<std::pair<std::string, int>>& ports);

}  // namespace entropyd
