#include "client/ctl/arguments.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/number_arguments.h"

namespace entropyd {

CLI::Validator SizeText(uint64_t most) {
  return CLI::Validator(
      [most](std::string& text) -> std::string {
        const absl::StatusOr<uint64_t> bytes = ParseSizeArgument(text, most);
        if (!bytes.ok()) return std::string(bytes.status().message());
        text = absl::StrCat(*bytes);
        return "";
      },
      "SIZE");
}

uint64_t SizeNumber(const std::string& digits) {
  uint64_t bytes = 0;
  return absl::SimpleAtoi(digits, &bytes) ? bytes : 0;
}

CLI::Validator NumberIn(double least, double most) {
  return CLI::Validator(
      [least, most](const std::string& text) {
        return std::string(CheckNumberArgument(text, least, most).message());
      },
      absl::StrCat("FLOAT in [", least, " - ", most, "]"));
}

CLI::Validator WholeNumberIn(uint64_t least, uint64_t most) {
  return CLI::Validator(
      [least, most](const std::string& text) {
        return std::string(CheckWholeNumberArgument(text, least, most).message());
      },
      absl::StrCat("[", least, " - ", most, "]"));
}

CLI::App* AddTable(CLI::App& app, Arguments& args, const char* name, const char* help,
                   const std::function<int()>& run) {
  CLI::App* command = app.add_subcommand(name, help);
  command->callback([&args, run] { args.run = run; });
  return command;
}

}  // namespace entropyd
