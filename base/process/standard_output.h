// Writes a program's answer to its standard output, and returns an error when that fails: a reader
// who got only a part of the answer must not believe that it is all.
//
//   if (absl::Status written = WriteToStandardOutput(help); !written.ok()) return Fail(written);
//
// Thread safety: functions without state; pieces of two writers may mix.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Writes the whole text, past the buffers of stdio.
// Errors: DATA_LOSS, with the reason and what to do.
absl::Status WriteToStandardOutput(absl::string_view text);

// The error of a write to the standard output that failed with `err`; 0 = nobody knows why.
absl::Status StandardOutputError(int err);

}  // namespace entropyd
