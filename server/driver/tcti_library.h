// The libraries by which the TSS gets to a TPM, looked at before they are loaded: loading one runs
// what is in it.
//
// A `tcti` names its library by a word (`device`, of libtss2-tcti-device.so.0) or by the name of
// the file, or says where the file is. The way `pcap` has another tcti behind it.
//
//   if (absl::Status owned = CheckTctiLibraries(tcti); !owned.ok()) return owned;
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// The word of a tcti, however it names its library, and what is behind it.
std::pair<absl::string_view, absl::string_view> SplitTcti(absl::string_view tcti);

// A user who may write a library may do what the server may. A library that the loader finds by
// itself belongs to the system. A library that is not there yet is no fault. Errors:
// FAILED_PRECONDITION.
absl::Status CheckTctiLibraries(absl::string_view tcti);

// OK when each library is there, without loading it. Libraries in places that only the cache of the
// loader knows are not found. Errors: NOT_FOUND, with the one that is missing.
absl::Status FindTctiLibraries(absl::string_view tcti);

}  // namespace entropyd
