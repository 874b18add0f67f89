#include "base/text/command_line.h"

#include <algorithm>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

constexpr char kLong[] =
    "Says so much of what it does that no terminal of eighty columns could show it on one line";

std::string HelpOf(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  return app.help();
}

size_t Widest(const std::string& text) {
  size_t widest = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) widest = std::max(widest, line.size());
  return widest;
}

TEST(CommandLineTest, EveryTextOfAHelpFitsOnATerminal) {
  CLI::App app(kLong, "program");
  app.footer(kLong);
  const std::string about = kLong;
  app.add_flag("--flag", about);
  app.add_subcommand("command", kLong);
  const std::string help = HelpOf(app);
  EXPECT_LE(Widest(help), kTerminalColumns) << help;
  EXPECT_GT(Widest(help), kTerminalColumns - 12) << help;
}

TEST(CommandLineTest, AnExampleIsNotBroken) {
  CLI::App app("Does it.", "program");
  const std::string example = std::string("  ") + kLong;
  app.footer("\n" + example + "\n\nThe end.");
  EXPECT_THAT(HelpOf(app), HasSubstr("\n" + example + "\n\nThe end.\n"));
}

LastAnswer Ask(std::vector<std::string> words) {
  CLI::App app("Does it.", "program");
  app.set_version_flag("--version", "program 1");
  CLI::App* const run = app.add_subcommand("run", "Run");
  run->add_option("--speed", "How fast")->check(CLI::Range(1, 9));
  bool loud = false;
  run->add_flag("--loud", loud);
  run->add_flag("--slow")->excludes(run->get_option("--speed"));
  app.require_subcommand(1);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return AnswerTo(app, error);
  }
  return {};
}

TEST(CommandLineTest, AFlagTakesNoValue) {
  const LastAnswer answer = Ask({"run", "--loud=maybe"});
  EXPECT_TRUE(answer.wrong_usage);
  EXPECT_EQ(answer.text, "program run: --loud: it takes no value; see program run --help\n");
}

TEST(CommandLineTest, AHelpAndAVersionAreAnswers) {
  EXPECT_FALSE(Ask({"--help"}).wrong_usage);
  EXPECT_THAT(Ask({"--help"}).text, HasSubstr("Does it."));
  EXPECT_FALSE(Ask({"run", "--help"}).wrong_usage);
  EXPECT_THAT(Ask({"run", "--help"}).text, HasSubstr("Run"));
  EXPECT_FALSE(Ask({"--version"}).wrong_usage);
  EXPECT_EQ(Ask({"--version"}).text, "program 1\n");
}

TEST(CommandLineTest, AnUnknownWordIsAnErrorAlsoBesideAHelp) {
  const std::vector<std::vector<std::string>> asked = {{"walk"},
                                                       {"walk", "--help"},
                                                       {"--help", "walk"},
                                                       {"run", "walk", "--help"},
                                                       {"walk", "--version"}};
  for (const std::vector<std::string>& words : asked) {
    const LastAnswer answer = Ask(words);
    EXPECT_TRUE(answer.wrong_usage) << words.front();
    EXPECT_THAT(answer.text, HasSubstr("not expected: 'walk'; see program"));
  }
}

TEST(CommandLineTest, AnErrorNamesTheCommandWhatIsWrongAndItsHelp) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "program: A subcommand is required; see program --help\n"},
      {{"--fast"}, "program: there is no option '--fast'; see program --help\n"},
      {{"run", "--fast"}, "program run: there is no option '--fast'; see program run --help\n"},
      {{"run", "--speed"}, "program run: --speed: its value is missing; see program run --help\n"},
      {{"run", "--speed", "1", "--speed", "2"},
       "program run: --speed: it may be given only once; see program run --help\n"},
      {{"run", "--speed", "1", "--slow"},
       "program run: --speed excludes --slow; see program run --help\n"},
  };
  for (const auto& [words, text] : wrong) EXPECT_EQ(Ask(words).text, text);
}

}  // namespace
}  // namespace entropyd
