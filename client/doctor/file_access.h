// Whether somebody else may use a file: the user of a service, or the one of the hypervisor.
//
//   const Actor qemu = {.name = "libvirt-qemu", .uid = 64055, .groups = {107}};
//   const std::string why = WhyNot(qemu, "/run/entropyd/egd.sock", kWrite);
//   // "libvirt-qemu may not enter /run/entropyd (mode 0700 of root:root)"
//
// Looks at owners, modes and capabilities. Access lists (ACLs) and security modules may say
// otherwise.
//
// Errors: none; what cannot be looked at is no reason against a use.
//
// Thread safety: functions without state.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

namespace entropyd::doctor {

struct Actor {
  // For messages: "entropyd", "user 994".
  std::string name;
  uid_t uid = 0;
  std::set<gid_t> groups = {};
  bool overrides = false;  // CAP_DAC_OVERRIDE
  bool reads_all = false;  // CAP_DAC_READ_SEARCH
  bool locks_all = false;  // CAP_IPC_LOCK
};

enum Want : unsigned { kSearch = 1, kWrite = 2, kRead = 4 };

// Why the actor may not do all of `want` with the file: a directory on the way to it, or the file
// itself. Empty = it may, or this process cannot tell.
std::string WhyNot(const Actor& actor, const std::string& path, unsigned want);

// "mode 0600 of root:root"
std::string ShowMode(const std::string& path);

}  // namespace entropyd::doctor
