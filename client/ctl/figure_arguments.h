// Parses the KEY=VALUE words of `entropyctl classes set`, by the rules of server.yaml.
//
//   auto figures = ParseFigureArguments({"ceil=64KiB/s", "prio=2"});
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/class_state.pb.h"

namespace entropyd {

// "ceil=none" removes the ceiling. Errors: INVALID_ARGUMENT naming the word, what is wrong with it
// and what to write.
absl::StatusOr<config::v1::ClassFigures> ParseFigureArguments(
    const std::vector<std::string>& words);

// "; write rate=5MiB/s" for who wrote a figure as an option: "--rate 5MiB/s" or "--rate=5MiB/s"
// among the words of a command line. Empty when nobody did.
std::string FigureHint(const std::vector<std::string>& words);

}  // namespace entropyd
