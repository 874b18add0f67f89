// The message for a word that is not a command, where a command should be.
//
//   UnknownCommand("entropyctl agent", {"upgrade", "reload"}, {"upgarde"}, {});
//   // unknown command 'upgarde'; did you mean 'upgrade'?
//   UnknownCommand("entropyctl", {"classes"}, {"simulate"}, {"entropyctl classes simulate"});
//   // unknown command 'simulate'; did you mean 'entropyctl classes simulate'?
//
// Errors: this is one.
//
// Thread safety: a function without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// `program`: the words that were understood, for "; see PROGRAM --help" when no command is near.
// `commands`: what may stand there. `rest`: the words that nobody understood, in order.
// `all`: every command with the words before it, for a word that is right in another place.
// OK when the first of them cannot be meant as a command: it is an option, there is none, or no
// command may stand there.
absl::Status UnknownCommand(absl::string_view program, const std::vector<std::string>& commands,
                            const std::vector<std::string>& rest,
                            const std::vector<std::string>& all);

}  // namespace entropyd
