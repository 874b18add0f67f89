// Names that outsiders say and we repeat: of pools and of classes (POOL/CLASS). They are checked
// where they come in. After that they need no bound and no escaping.
//
//   if (absl::Status bad = CheckName(pool.name()); !bad.ok()) return Error(at, bad.message());
//
// Errors: INVALID_ARGUMENT tells the first character that does not fit, or the length.
//
// Thread safety: functions of their arguments.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// A longer name is refused: it is repeated in lines of the log, in lists and in labels of metrics.
// Names in certificates may be as long.
inline constexpr size_t kMaxPoolNameBytes = 256;

// OK for 1 to 256 letters and digits of ASCII, '-', '_' and '.'. So a name has no special character
// of POOL/CLASS, of the policy's patterns, of a log line or of a terminal.
absl::Status CheckName(absl::string_view name);

// True for two such names with a '/' between.
bool IsPoolClass(absl::string_view name);

// Splits POOL/CLASS, as an operator writes it, into its two parts, which need not be valid names.
// Errors: INVALID_ARGUMENT with an example.
absl::StatusOr<std::pair<std::string, std::string>> SplitPoolClass(absl::string_view name);

// OK for 0 to 256 bytes of UTF-8 that can be shown (PrintableLength() in base/text/utf8.h): what an
// operator may say to others.
absl::Status CheckText(absl::string_view text);

// Errors: INVALID_ARGUMENT "'w\xff' is not UTF-8". A string of a proto message must be.
absl::Status CheckUtf8(absl::string_view text);

// `text` with "\x1b" in the place of each byte that is not of a character that can be shown
// (PrintableLength() in base/text/utf8.h), unless it is in `kept`. All else stays, also quotes and
// backslashes: this is for people, and nothing reads it back.
std::string EscapeControls(absl::string_view text, absl::string_view kept);

// What may be repeated of any text: quoted and escaped, and when it is longer than 64 bytes, its
// beginning and its length.
std::string Excerpt(absl::string_view text);

}  // namespace entropyd
