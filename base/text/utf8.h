// Checks that text from outside is UTF-8, and makes it so.
//
//   while (!text.empty()) {
//     const size_t length = Utf8Length(text);
//     if (length == 0) return false;
//     text.remove_prefix(length);
//   }
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

// Length in bytes (1..4) of the well-formed UTF-8 sequence at the front of `text`; 0 when it does
// not begin with one (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing beyond
// U+10FFFF).
// REQUIRES: text is not empty.
size_t Utf8Length(absl::string_view text);

// The beginning of `text`, at most `most` bytes. Does not end within a character of UTF-8.
absl::string_view CutUtf8(absl::string_view text, size_t most);

// `text` with U+FFFD in the place of each byte that is in no well-formed sequence. A string of a
// proto message must be UTF-8, or nobody can read the message.
std::string ReplaceInvalidUtf8(absl::string_view text);

}  // namespace entropyd
