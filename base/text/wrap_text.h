// Breaks text into lines for a terminal.
//
//   WrapText("how much the guest reads (default 256KiB)", 30);
//   // {"how much the guest reads", "(default 256KiB)"}
//
// Errors: none.
//
// Thread safety: a function without state.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd {

// The narrowest terminal that we support, in columns.
inline constexpr size_t kTerminalColumns = 80;

// Lines of at most `columns` characters, broken at blanks. A longer word has a line of its own.
// Line ends in `text` stay. At least one line.
std::vector<std::string> WrapText(absl::string_view text, size_t columns);

}  // namespace entropyd
