// STATE_DIR/guests.yaml: the sockets that were made for single guests, beyond a restart.
//
// Thread safety: functions without state; the file has one writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/guest_state.pb.h"

namespace entropyd {

std::string GuestSocketsPath(const std::string& state_dir);

// What a socket for a guest must look like: a name of letters, digits and -_. that begins with one
// of the first two, an absolute path of printable ASCII, an octal mode. Errors: INVALID_ARGUMENT,
// saying what to write instead.
absl::Status CheckGuestSocket(const config::v1::GuestSocket& socket);
// "0660" -> 0660. Errors: INVALID_ARGUMENT.
absl::StatusOr<uint32_t> ParseMode(const std::string& text);

// What is kept there; nothing when there is no file yet. Errors: those of reading, and
// INVALID_ARGUMENT naming file and place; each with the remedy.
absl::StatusOr<config::v1::GuestState> LoadGuestSockets(const std::string& state_dir);

// Replaces the file, at once or not at all, and returns when it would survive a power cut. Errors:
// of the file system; the old file stands then.
absl::Status SaveGuestSockets(const std::string& state_dir, const config::v1::GuestState& state);

}  // namespace entropyd
