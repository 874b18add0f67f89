#include "base/text/command_line.h"

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

}  // namespace
}  // namespace entropyd
