// STATE_DIR/guests.yaml: keeps the sockets that were made for single guests beyond a restart.
//
//   config::v1::GuestState state = LoadGuestSockets("/var/lib/entropyd").value();
//   if (absl::Status status = SaveGuestSockets(dir, state); !status.ok()) return status;
//
// Errors: each says what to do.
//
// Thread safety: functions without state; the file has one writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/guest_state.pb.h"

namespace entropyd {

// The path of the file.
std::string GuestSocketsPath(const std::string& state_dir);

// Checks what the socket of a guest must look like. The name has letters, digits and -_. and begins
// with a letter or a digit. The path is absolute and printable ASCII. The mode is octal. Errors:
// INVALID_ARGUMENT, saying what to write instead.
absl::Status CheckGuestSocket(const config::v1::GuestSocket& socket);
// "0660" -> 0660. Errors: INVALID_ARGUMENT.
absl::StatusOr<uint32_t> ParseMode(const std::string& text);

// What the file keeps; nothing when there is no file yet, or nothing in it. Errors: those of
// reading, and INVALID_ARGUMENT naming file and place; each with the remedy.
absl::StatusOr<config::v1::GuestState> LoadGuestSockets(const std::string& state_dir);

// Replaces the file, at once or not at all, and returns when the new file would survive a power
// cut. Errors: of the file system; then the old file stays.
absl::Status SaveGuestSockets(const std::string& state_dir, const config::v1::GuestState& state);

}  // namespace entropyd
