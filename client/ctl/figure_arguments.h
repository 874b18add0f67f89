// Parses the KEY=VALUE words of `entropyctl classes set`, by the rules of server.yaml.
//
//   auto figures = ParseFigureArguments({"ceil=64KiB/s", "prio=2"});
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

// "ceil=none" removes the ceiling. Errors: INVALID_ARGUMENT naming the word, what is wrong with it
// and what to write.
absl::StatusOr<config::v1::ClassFigures> ParseFigureArguments(
    const std::vector<std::string>& words);

// Splits "POOL/CLASS" into its two parts. Errors: INVALID_ARGUMENT.
absl::StatusOr<std::pair<std::string, std::string>> SplitPoolClass(absl::string_view name);

}  // namespace entropyd
