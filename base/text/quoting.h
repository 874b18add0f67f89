// Writes a text so that what reads a line takes it for the text again: a shell, QEMU, XML. For
// lines that people paste.
//
//   StrCat("chmod 711 ", ShellWord("/srv/my demo"));             // chmod 711 '/srv/my demo'
//   ShellWord(StrCat("socket,path=", QemuValue("/srv/a,b")));    // socket,path=/srv/a,,b
//   StrCat("path='", XmlAttribute("/srv/a&b"), "'");             // path='/srv/a&amp;b'
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

// One word of a POSIX shell. As it is when no shell could take it for something else.
std::string ShellWord(absl::string_view text);

// A value among QEMU's options, which ',' separates.
std::string QemuValue(absl::string_view value);

// Between quotes of either kind.
std::string XmlAttribute(absl::string_view value);

}  // namespace entropyd
