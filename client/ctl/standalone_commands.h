// The commands that need nobody: their words, help texts and limits.
//
//   AddStandaloneCommands(app, args);
//
// Errors: as arguments.h.
//
// Thread safety: main's thread only.
#pragma once

#include "client/ctl/arguments.h"

namespace entropyd {

void AddStandaloneCommands(CLI::App& app, Arguments& args);

}  // namespace entropyd
