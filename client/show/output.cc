#include "client/show/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/process/standard_output.h"
#include "base/text/names.h"
#include "base/text/wrap_text.h"
#include "client/show/table.h"

namespace entropyd {
namespace {

// Why the stream could not write, as errno; 0 = not known. A stream keeps no reason itself.
long& ReasonOf(std::ostream& stream) {
  static const int place = std::ios_base::xalloc();
  return stream.iword(place);
}

// Writes it out at once: what waits in a buffer would fail later, with nobody to keep the reason.
void Write(absl::string_view text, std::ostream& stream) {
  const bool failed = !stream;
  errno = 0;
  stream << text << std::flush;
  if (!stream && !failed) ReasonOf(stream) = errno;
}

}  // namespace

std::string OneLine(absl::string_view text) {
  return EscapeControls(absl::StrReplaceAll(text, {{"\n", " "}, {"\r", " "}}), "");
}

std::string Lines(absl::string_view text) { return EscapeControls(text, "\n\t"); }

std::string IndentedLines(absl::string_view text) {
  std::string indented;
  for (absl::string_view line : absl::StrSplit(Lines(text), '\n')) {
    if (!indented.empty()) absl::StrAppend(&indented, absl::StartsWith(line, "  ") ? "\n" : "\n  ");
    absl::StrAppend(&indented, line);
  }
  return indented;
}

size_t ScreenColumns() {
  if (isatty(STDOUT_FILENO) == 0) return kAnyWidth;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kTerminalColumns;
  return size.ws_col;
}

std::string Sentence(absl::string_view text, size_t columns) {
  std::string line = OneLine(text);
  if (line.size() <= columns) return line;
  return absl::StrJoin(WrapText(line, columns - std::min<size_t>(2, columns)), "\n  ");
}

void Print(absl::string_view text) { Write(Lines(text), std::cout); }

void PrintJson(absl::string_view json) { Write(absl::StrCat(json, "\n"), std::cout); }

absl::Status FlushOutput(std::ostream& stream) {
  Write("", stream);
  return stream ? absl::OkStatus() : StandardOutputError(static_cast<int>(ReasonOf(stream)));
}

}  // namespace entropyd
