// What `entropyctl classes set` is told: KEY=VALUE words, by the rules of server.yaml.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/class_state.pb.h"

namespace entropyd {

// {"ceil=64KiB/s", "prio=2"}; "ceil=none" takes the ceiling away. Errors: INVALID_ARGUMENT naming
// the word, what is wrong with it and what to write.
absl::StatusOr<config::v1::ClassFigures> ParseFigureArguments(
    const std::vector<std::string>& words);

// "POOL/CLASS" in its parts. Errors: INVALID_ARGUMENT.
absl::StatusOr<std::pair<std::string, std::string>> SplitPoolClass(absl::string_view name);

}  // namespace entropyd
