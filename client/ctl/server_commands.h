// The commands that ask a server: their words, help texts and limits.
//
//   AddServerCommands(app, args);
//
// Errors: as arguments.h.
//
// Thread safety: main's thread only.
#pragma once

#include "client/ctl/arguments.h"

namespace entropyd {

void AddServerCommands(CLI::App& app, Arguments& args);

}  // namespace entropyd
