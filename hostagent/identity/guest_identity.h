// Which guest is behind a peer: from libvirt's status files, else from its cgroup.
//
//   PeerPin pin = PinPeer(socket);
//   auto identity = FindIdentity(&pin, config::v1::IDENTIFY_LIBVIRT, directory);
//
// A pid does not mean the same process for ever. So the peer is pinned when it connects: by a pidfd
// that the kernel made for the socket (SO_PEERPIDFD, Linux 6.5), or else by the process's start
// time. An identity that was found by pid counts only if the pinned process is still there
// afterwards.
//
// Errors: none; a peer that cannot be identified has no identity, one that cannot be pinned no pid.
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "base/process/fd.h"
#include "hostagent/identity/libvirt_directory.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

enum class IdentitySource : uint8_t {
  kNone = 0,
  // Name, UUID and class from the domain's status file.
  kLibvirt = 1,
  // A name; systemd's unit-name rules may have changed some characters.
  kCgroup = 2,
  // The name of the socket that was made for this guest.
  kSocket = 3,
};
absl::string_view IdentitySourceName(IdentitySource source);

// All texts are UTF-8 without control characters: what they came from went through EscapeControls
// (base/text/names.h), or could not have any.
struct GuestIdentity {
  IdentitySource source = IdentitySource::kNone;
  std::string name;
  // libvirt's domains only.
  std::string uuid;
  // POOL/CLASS that the domain's metadata asks for; empty = none.
  std::string class_name;
  // What is wrong with the class that it asks for.
  std::string class_error;

  friend bool operator==(const GuestIdentity&, const GuestIdentity&) = default;
};

struct PeerPin {
  // 0 = gone, or in another pid namespace.
  int32_t pid = 0;
  uint32_t uid = 0;
  // When the process started, since boot.
  uint64_t start_ticks = 0;
  // None on kernels before 6.5.
  UniqueFd pidfd;
};

// In the place of a start time: the process had gone when its connection was accepted. Successors
// are told, too; what 0.1.0 does not know it calls 0.
inline constexpr uint64_t kProcessIsGone = UINT64_MAX;

// Pins the process at the other end of `socket`. If it cannot be pinned, or is gone, the pin has
// pid 0 and no start time.
PeerPin PinPeer(int socket, const std::string& proc = "/proc");

// When a process started; 0 = it is gone. From /proc/PID/stat, field 22.
uint64_t StartTicks(int32_t pid, const std::string& proc = "/proc");

// The identity, with `pin.start_ticks` filled in; nullopt = the peer could not be identified.
absl::optional<GuestIdentity> FindIdentity(PeerPin* pin, config::v1::Identify how,
                                           const LibvirtDirectory& libvirt,
                                           const std::string& proc = "/proc");

GuestIdentity IdentityOf(const LibvirtDomain& domain);

// The domain that /proc/PID/cgroup names, e.g. `web-1` for
// "0::/machine.slice/machine-qemu\x2d3\x2dweb\x2d1.scope/libvirt"; empty = not one of libvirt's.
// Only below the machine partition: users may name cgroups of their own as they like.
std::string DomainOfCgroup(absl::string_view cgroups);

}  // namespace entropyd
