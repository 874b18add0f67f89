// Writes what commands say to a terminal. A server or an agent may have sent a part of it. That
// part must not move the cursor, change colours, or look like a line of ours.
//
//   Print(SourcesTable(answer));
//   Print(absl::StrCat("agent: version ", OneLine(status.version()), "\n"));
//   if (absl::Status written = FlushOutput(std::cout); !written.ok()) return Fail(written);
//
// What cannot be shown (PrintableLength() in base/text/utf8.h) becomes "\x1b". JSON escapes the
// same characters by its own rules.
//
// Thread safety: main's thread prints; the functions that return text are safe.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// For one field of a line or of a table: line ends become blanks.
std::string OneLine(absl::string_view text);
// For whole lines: line ends and tabs stay.
std::string Lines(absl::string_view text);
// For an error, which may repeat several lines of a server: all lines but the first are indented,
// so that none of them looks like a line of entropyctl.
std::string IndentedLines(absl::string_view text);

// How wide a text may be: what the terminal has, 80 when it does not say, and any width when the
// standard output is no terminal.
size_t ScreenColumns();
// One field of text on as many lines as `columns` need, all but the first indented. No line end.
std::string Sentence(absl::string_view text, size_t columns);

// Writes Lines(text) to the standard output.
void Print(absl::string_view text);
// Writes `json` as it is, and a line end.
void PrintJson(absl::string_view json);

// Writes out what `stream`, the standard output, still holds. main() does this after each command.
// Errors: DATA_LOSS when this fails, or when an earlier write has failed.
absl::Status FlushOutput(std::ostream& stream);

}  // namespace entropyd
