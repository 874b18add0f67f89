// STATE_DIR/classes.yaml: what operators changed of the classes, beyond a restart.
//
// Thread safety: functions without state; the file has one writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/class_state.pb.h"

namespace entropyd {

std::string ClassStatePath(const std::string& state_dir);

// Makes the directory, mode 0700, when it is missing. Errors: those of making it, and when nothing
// can be made in it.
absl::Status PrepareStateDir(const std::string& state_dir);

// What is kept there; nothing when there is no file yet. Errors: those of reading, and
// INVALID_ARGUMENT naming file and place; each with the remedy.
absl::StatusOr<config::v1::ClassState> LoadClassState(const std::string& state_dir);

// Replaces the file, at once or not at all, and returns when it would survive a power cut. Errors:
// those of writing, the old file stands then (or, when only the directory could not be synced,
// either may); INTERNAL when the text would not load as `state`.
absl::Status SaveClassState(const std::string& state_dir, const config::v1::ClassState& state);

// The file's text.
std::string ClassStateText(const config::v1::ClassState& state);

}  // namespace entropyd
