// The commands that ask this host's agent or libvirt: their words, help texts and limits.
//
//   AddHostCommands(app, args);
//
// Errors: as arguments.h.
//
// Thread safety: main's thread only.
#pragma once

#include "client/ctl/arguments.h"

namespace entropyd {

void AddHostCommands(CLI::App& app, Arguments& args);

}  // namespace entropyd
