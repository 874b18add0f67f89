#include "client/ctl/unknown_command.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config/config_values.h"

namespace entropyd {

absl::Status UnknownCommand(absl::string_view program, const std::vector<std::string>& commands,
                            const std::vector<std::string>& rest) {
  if (commands.empty() || rest.empty() || absl::StartsWith(rest.front(), "-")) {
    return absl::OkStatus();
  }
  std::string hint = config::DidYouMean(rest.front(), commands);
  if (hint.empty()) hint = absl::StrCat("; see ", program, " --help");
  return absl::InvalidArgumentError(absl::StrCat("unknown command '", rest.front(), "'", hint));
}

}  // namespace entropyd
