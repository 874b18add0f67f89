#include "hostagent/identity/guest_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "base/text/names.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; not yet in every libc
#endif

namespace entropyd {
namespace {

// Field 22 of stat is the 20th after the program's name.
constexpr size_t kStartTimeAfterName = 20;
// stat has about 300 bytes, cgroup has a line for each hierarchy.
constexpr size_t kProcFileBytes = 8192;

std::string ReadProcFile(const std::string& path) {
  std::string text(kProcFileBytes, '\0');
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t n = fd ? read(fd.get(), text.data(), text.size()) : -1;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

bool HasEnded(const UniqueFd& pidfd) {
  pollfd poller = {pidfd.get(), POLLIN, 0};
  return poll(&poller, 1, 0) != 0;
}

// Whether this pid still belongs to the pinned process.
bool Holds(PeerPin* pin, const std::string& proc) {
  const uint64_t now = StartTicks(pin->pid, proc);
  if (now == 0 || (pin->pidfd && HasEnded(pin->pidfd))) return false;
  if (pin->start_ticks == 0) pin->start_ticks = now;
  return pin->start_ticks == now;
}

// systemd writes \xHH for a character that a unit's name may not have.
std::string Unescape(absl::string_view name) {
  std::string out;
  while (!name.empty()) {
    if (name.size() >= 4 && absl::StartsWith(name, "\\x") && absl::ascii_isxdigit(name[2]) &&
        absl::ascii_isxdigit(name[3])) {
      out += absl::HexStringToBytes(name.substr(2, 2));
      name.remove_prefix(4);
    } else {
      out += name[0];
      name.remove_prefix(1);
    }
  }
  return out;
}

// "qemu-3-web" -> "web".
std::string NameOfMachine(absl::string_view machine) {
  if (!absl::ConsumePrefix(&machine, "qemu-")) return "";
  const size_t digits = machine.find_first_not_of("0123456789");
  if (digits == 0 || digits == absl::string_view::npos || machine[digits] != '-') return "";
  const absl::string_view name = machine.substr(digits + 1);
  for (char c : name) {
    if (absl::ascii_iscntrl(c)) return "";
  }
  return EscapeControls(name, "");
}

}  // namespace

absl::string_view IdentitySourceName(IdentitySource source) {
  switch (source) {
    case IdentitySource::kNone:
      return "none";
    case IdentitySource::kLibvirt:
      return "libvirt";
    case IdentitySource::kCgroup:
      return "cgroup";
    case IdentitySource::kSocket:
      return "socket";
  }
  return "none";
}

PeerPin PinPeer(int socket, const std::string& proc) {
  PeerPin pin;
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return pin;
  pin.pid = credentials.pid;
  pin.uid = credentials.uid;
  if (pin.pid <= 0) return pin;
  int pidfd = -1;
  length = sizeof pidfd;
  const bool has_pidfd = getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0;
  // An old kernel, or no descriptor is left for it: only the start time tells then.
  const bool unknown =
      !has_pidfd && (errno == ENOPROTOOPT || errno == EMFILE || errno == ENFILE || errno == ENOMEM);
  if (has_pidfd) pin.pidfd.reset(pidfd);
  pin.start_ticks = StartTicks(pin.pid, proc);
  // After the look: what was seen is the process's own, unless it is gone. Then the pid may have
  // its next owner already.
  const bool gone = has_pidfd ? HasEnded(pin.pidfd) : !unknown;
  if (!gone && pin.start_ticks != 0) return pin;
  pin.pid = 0;
  pin.start_ticks = 0;
  pin.pidfd.reset();
  return pin;
}

uint64_t StartTicks(int32_t pid, const std::string& proc) {
  const std::string text = ReadProcFile(absl::StrCat(proc, "/", pid, "/stat"));
  const size_t name_end = text.rfind(") ");  // the name itself may hold parentheses
  if (name_end == std::string::npos) return 0;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(text).substr(name_end + 2), ' ');
  uint64_t ticks = 0;
  if (fields.size() < kStartTimeAfterName ||
      !absl::SimpleAtoi(fields[kStartTimeAfterName - 1], &ticks)) {
    return 0;
  }
  return ticks;
}

GuestIdentity IdentityOf(const LibvirtDomain& domain) {
  return {IdentitySource::kLibvirt, EscapeControls(domain.name, ""), domain.uuid, domain.class_name,
          EscapeControls(domain.class_error, "")};
}

std::string DomainOfCgroup(absl::string_view cgroups) {
  for (absl::string_view line : absl::StrSplit(cgroups, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    std::vector<absl::string_view> path = absl::StrSplit(parts[2], '/', absl::SkipEmpty());
    // From within a cgroup namespace, paths outside begin with "..".
    while (!path.empty() && path.front() == "..") path.erase(path.begin());
    if (path.empty() || (path.front() != "machine.slice" && path.front() != "machine")) continue;
    for (absl::string_view part : path) {
      std::string name;
      if (absl::ConsumePrefix(&part, "machine-") && absl::ConsumeSuffix(&part, ".scope")) {
        name = NameOfMachine(Unescape(part));
      } else if (absl::ConsumeSuffix(&part, ".libvirt-qemu")) {
        name = NameOfMachine(part);
      }
      if (!name.empty()) return name;
    }
  }
  return "";
}

absl::optional<GuestIdentity> FindIdentity(PeerPin* pin, config::v1::Identify how,
                                           const LibvirtDirectory& libvirt,
                                           const std::string& proc) {
  if (pin->pid <= 0 || !Holds(pin, proc)) return absl::nullopt;
  if (how == config::v1::IDENTIFY_LIBVIRT) {
    if (const LibvirtDomain* domain = libvirt.Find(pin->pid, pin->uid)) {
      if (!Holds(pin, proc)) return absl::nullopt;
      return IdentityOf(*domain);
    }
  }
  GuestIdentity identity;
  identity.source = IdentitySource::kCgroup;
  identity.name = DomainOfCgroup(ReadProcFile(absl::StrCat(proc, "/", pin->pid, "/cgroup")));
  if (identity.name.empty() || !Holds(pin, proc)) return absl::nullopt;
  return identity;
}

}  // namespace entropyd
