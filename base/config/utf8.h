// Checks that text from outside is UTF-8.
//
//   while (!text.empty()) {
//     const size_t length = Utf8Length(text);
//     if (length == 0) return false;
//     text.remove_prefix(length);
//   }
//
// Thread safety: a function without state.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace entropyd {

// Length in bytes (1..4) of the well-formed UTF-8 sequence at the front of `text`; 0 when it does
// not begin with one (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing beyond
// U+10FFFF).
// REQUIRES: text is not empty.
size_t Utf8Length(absl::string_view text);

}  // namespace entropyd
