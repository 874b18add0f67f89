// The file STATE_DIR/classes.yaml: it keeps beyond a restart what operators changed of the classes.
//
//   config::v1::ClassState state = LoadClassState(dir).value();
//   absl::Status status = SaveClassState(dir, state);
//
// Errors: those of the file system, and INVALID_ARGUMENT for a file that does not load; each with
// the remedy.
//
// Thread safety: functions without state; the file has one writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/class_state.pb.h"

namespace entropyd {

std::string ClassStatePath(const std::string& state_dir);

// Returns what is kept there; an empty state when there is no file yet, or nothing in it. Errors:
// those of reading, and INVALID_ARGUMENT naming file and place; each with the remedy.
absl::StatusOr<config::v1::ClassState> LoadClassState(const std::string& state_dir);

// Replaces the file at once or not at all, and returns when the new file would survive a power cut.
// Errors: those of writing; the old file stays. DATA_LOSS: the new file is there, but a power cut
// may bring the old one back. INTERNAL: the text would not load as `state`.
absl::Status SaveClassState(const std::string& state_dir, const config::v1::ClassState& state);

// The file's text.
std::string ClassStateText(const config::v1::ClassState& state);

}  // namespace entropyd
