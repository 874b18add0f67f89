// The file in which a daemon tells the ports it really bound, for port 0: lines `NAME=PORT`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace entropyd {

// Writes the file whole or not at all: who waits for it may read it as soon as it is there. Ports
// that are 0 are left out. Errors: FAILED_PRECONDITION when `path` is there and is no regular file
// (a device would be replaced), else as errno says.
absl::Status WritePortsFile(const std::string& path,
                            const std::vector<std::pair<std::string, int>>& ports);

}  // namespace entropyd
