// Is foreign text what it claims to be?
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace entropyd {

// Length in bytes (1..4) of the well-formed UTF-8 sequence at the front of `text`, 0 when there is
// none (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF).
// REQUIRES: text is not empty.
size_t Utf8Length(absl::string_view text);

}  // namespace entropyd
