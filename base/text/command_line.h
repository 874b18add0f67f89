// How the command lines of our programs answer. CLI11 throws: only files that a main() catches for
// include this.
//
//   CLI::App app("Divides hardware entropy.", "entropyd");
//   app.formatter(std::make_shared<HelpFormatter>());
//   try {
//     app.parse(argc, argv);
//   } catch (const CLI::ParseError& error) {
//     const LastAnswer answer = AnswerTo(app, error);
//   }
//
// Errors: AnswerTo() makes an answer of CLI11's.
//
// Thread safety: a HelpFormatter has no state; the function has none.
#pragma once

#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/text/wrap_text.h"

namespace entropyd {

// Breaks every text of a help at the last column of a terminal. A line of a description or of a
// footer that begins with a blank is an example to copy, and stays whole.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kTextColumn); }

  std::string make_description(const CLI::App* app) const override {
    return WrappedLines(CLI::Formatter::make_description(app));
  }
  std::string make_footer(const CLI::App* app) const override {
    return WrappedLines(CLI::Formatter::make_footer(app));
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return BesideNames(CLI::Formatter::make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::stringstream out;
    CLI::detail::format_help(out, command->get_display_name(true),
                             BesideNames(command->get_description()), kTextColumn);
    return out.str();
  }

 private:
  static std::string BesideNames(const std::string& text) {
    return absl::StrJoin(WrapText(text, kTerminalColumns - kTextColumn), "\n");
  }

  static std::string WrappedLines(const std::string& text) {
    std::vector<std::string> lines;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      if (absl::StartsWith(line, " ")) {
        lines.emplace_back(line);
        continue;
      }
      for (std::string& piece : WrapText(line, kTerminalColumns)) lines.push_back(std::move(piece));
    }
    return absl::StrJoin(lines, "\n");
  }

  // Names of options end before it; longer ones have a line of their own.
  static constexpr size_t kTextColumn = 28;
};

// What a program says instead of running.
struct LastAnswer {
  bool wrong_usage = false;  // else it was asked for a help or its version
  std::string text;          // for the standard error, or the standard output
};

// "entropyctl classes set": the command that was named, down to the last word that was understood.
inline std::string NamedCommand(const CLI::App& app) {
  std::string name = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return name;
}

// Whether the option takes no value, of the command that was named or of one above it.
inline bool IsFlag(const CLI::App& app, const std::string& name) {
  const CLI::Option* const option = app.get_option_no_throw(name);
  if (option != nullptr) return option->get_items_expected_max() == 0;
  const std::vector<CLI::App*> below = app.get_subcommands();
  return !below.empty() && IsFlag(*below.front(), name);
}

// What is wrong, in words that need no knowledge of CLI11.
inline std::string WrongUsage(const CLI::App& app, const CLI::ParseError& error,
                              const std::vector<std::string>& unknown) {
  if (!unknown.empty()) {
    // CLI11 lists options after words; whichever was written first, each is one too many.
    const std::string& word = unknown.front();
    const bool option = word.size() > 1 && word[0] == '-';
    return (option ? "there is no option '" : "not expected: '") + word + "'";
  }
  std::string said = error.what();
  const std::string name = said.substr(0, said.find(':'));
  constexpr char kNoSuchValue[] = "Could not convert: ";
  if (absl::StartsWith(said, kNoSuchValue)) {
    const std::string option =
        said.substr(strlen(kNoSuchValue), said.find(" = ") - strlen(kNoSuchValue));
    if (IsFlag(app, option)) return option + ": it takes no value";
  }
  if (error.get_name() == "ArgumentMismatch") {
    if (absl::StrContains(said, " missing")) return name + ": its value is missing";
    if (absl::StrContains(said, "At Most 1 required")) return name + ": it may be given only once";
  }
  return said;
}

// A word that nobody understood is an error, also when a help was asked for: otherwise the wrong
// help would be printed.
inline LastAnswer AnswerTo(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  if (error.get_exit_code() == 0 && unknown.empty()) {
    std::ostringstream out, err;
    app.exit(error, out, err);
    return {false, out.str()};
  }
  const std::string command = NamedCommand(app);
  return {true,
          command + ": " + WrongUsage(app, error, unknown) + "; see " + command + " --help\n"};
}

}  // namespace entropyd
