// Who else has a right to a file: anybody but root and the user and the group of this process.
//
//   const std::string others = WhoElseMayWrite(st);
//   if (!others.empty()) return Refused(absl::StrCat(others, " may write it"));
//
// Whoever may write a FIFO may choose what a source gives. Whoever may write a library may choose
// what the server does. Whoever may read a PIN has it.
//
// An owner may give himself every right, so a stranger who owns the file has them all.
//
// Errors: none. The answer is a phrase for a message; "" = nobody.
//
// Thread safety: functions without state.
#pragma once

#include <sys/stat.h>

#include <string>

namespace entropyd {

// "its owner, user 1000", "everybody" or "group 20".
std::string WhoElseMayWrite(const struct stat& file);
std::string WhoElseMayRead(const struct stat& file);

}  // namespace entropyd
