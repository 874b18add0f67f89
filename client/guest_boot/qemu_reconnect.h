// How a QEMU is told to connect again, one second after its socket has closed. The option has
// another name from QEMU 9.2 on, and the old one goes away.
//
//   const QemuReconnect reconnect = ReconnectOfInstalledQemu();
//   absl::StrCat("-chardev socket,id=a,path=", path, ",", reconnect.option);
//
// Errors: none. What is not known is taken for a QEMU before 9.2, and the note says what to do.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd {

struct QemuReconnect {
  // "reconnect=1" or "reconnect-ms=1000".
  std::string option;
  // For people: which QEMU it is for, and what to write for another one.
  std::string note;
};

// `version` is what QEMU says to --version; empty = there is no QEMU.
QemuReconnect ReconnectOf(absl::string_view version);

// For the first of these programs that answers.
QemuReconnect ReconnectOfInstalledQemu(const std::vector<std::string>& programs = {
                                           "qemu-system-x86_64", "qemu-system-aarch64",
                                           "qemu-system-s390x", "qemu-system-ppc64", "qemu-kvm",
                                           "/usr/libexec/qemu-kvm"});

}  // namespace entropyd
