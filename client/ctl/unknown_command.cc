#include "client/ctl/unknown_command.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config/config_values.h"

namespace entropyd {

absl::Status UnknownCommand(absl::string_view program, const std::vector<std::string>& commands,
                            const std::vector<std::string>& rest,
                            const std::vector<std::string>& all) {
  if (commands.empty() || rest.empty() || absl::StartsWith(rest.front(), "-")) {
    return absl::OkStatus();
  }
  std::string hint = config::DidYouMean(rest.front(), commands);
  for (const std::string& command : all) {
    if (!hint.empty() || !absl::EndsWith(command, absl::StrCat(" ", rest.front()))) continue;
    hint = absl::StrCat("; did you mean '", command, "'?");
  }
  if (hint.empty()) hint = absl::StrCat("; see ", program, " --help");
  return absl::InvalidArgumentError(absl::StrCat("unknown command '", rest.front(), "'", hint));
}

}  // namespace entropyd
