// Checks that text from outside is UTF-8 and can be shown, and makes it UTF-8.
//
//   while (!text.empty()) {
//     const size_t length = Utf8Length(text);
//     if (length == 0) return false;
//     text.remove_prefix(length);
//   }
//
// Errors: a length of 0 for what is not well-formed.
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

// The same for a character that a terminal and a log may show as it is. 0 also for control
// characters (C0, DEL, C1) and line ends. And 0 for characters that nobody sees or that turn the
// direction of the text around (Unicode's Bidi_Control and most of Default_Ignorable_Code_Point):
// with these a name can look like another one. Joiners stay, because some scripts need them.
// REQUIRES: text is not empty.
size_t PrintableLength(absl::string_view text);

// The character of a well-formed sequence. REQUIRES: Utf8Length(text) is not 0.
char32_t FirstCharacter(absl::string_view text);

// "\\u202e": the character as JSON escapes it. Beyond 16 bits these are two halves (surrogates).
std::string JsonEscape(char32_t c);

// The beginning of `text`, at most `most` bytes. Does not end within a character of UTF-8.
absl::string_view CutUtf8(absl::string_view text, size_t most);

// `text` with U+FFFD in the place of each byte that is in no well-formed sequence. A string of a
// proto message must be UTF-8, or nobody can read the message.
std::string ReplaceInvalidUtf8(absl::string_view text);

}  // namespace entropyd
