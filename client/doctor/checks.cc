#include "client/doctor/checks.h"

#include <unistd.h>

namespace entropyd::doctor {
namespace {

constexpr Check kServerChecks[] = {
    {"server.config", "what --check-config of the program says", LookAtConfig},
    {"server.certificate", "certificate, key and CA: readable, matching, valid", LookAtCertificate},
    {"server.key", "who else may read the key", LookAtKey},
    {"server.crl", "the lists of revoked certificates", LookAtCrl},
    {"server.clock", "files from the future", LookAtClock},
    {"server.process", "whether it runs", LookAtProcess},
    {"server.port", "whether it listens, or somebody else does", LookAtPort},
    {"server.memory", "whether its memory is locked", LookAtMemoryLock},
    {"server.descriptors", "how many files it may open", LookAtDescriptors},
    {"server.devices", "whether it may read its sources", LookAtDevices},
    {"server.claims", "what classes are promised, beside what sources claim", LookAtClaims},
    {"server.sources", "states and rates of sources and pools", LookAtSources},
    {"server.policy", "rules that match nobody", LookAtPolicy},
    {"server.state_dir", "whether it may write its state", LookAtStateDir},
};

constexpr Check kAgentChecks[] = {
    {"agent.config", "what --check-config of the program says", LookAtConfig},
    {"agent.certificate", "certificate, key and CA: readable, matching, valid", LookAtCertificate},
    {"agent.key", "who else may read the key", LookAtKey},
    {"agent.clock", "files from the future", LookAtClock},
    {"agent.process", "whether it runs", LookAtProcess},
    {"agent.memory", "whether its memory is locked", LookAtMemoryLock},
    {"agent.descriptors", "how many files it may open", LookAtDescriptors},
    {"agent.state_dir", "whether it may write its state", LookAtStateDir},
    {"agent.sockets", "sockets and pipes of guests, and their directories", LookAtSockets},
    {"agent.hypervisor", "whether QEMU may use them", LookAtHypervisor},
    {"agent.apparmor", "whether AppArmor lets QEMU use them", LookAtAppArmor},
    {"agent.selinux", "whether SELinux lets QEMU use them", LookAtSelinux},
    {"agent.domains", "domains of libvirt", LookAtDomains},
    {"agent.servers", "the way to each server, step by step", LookAtServers},
    {"agent.service", "what the agent says of itself: classes, listeners", LookAtService},
};

}  // namespace

absl::Span<const Check> ServerChecks() { return kServerChecks; }
absl::Span<const Check> AgentChecks() { return kAgentChecks; }

bool HasLibvirt(const Machine& machine) {
  for (const char* socket : {"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"}) {
    if (access(machine.System(socket).c_str(), F_OK) == 0) return true;
  }
  return false;
}

absl::optional<Actor> HypervisorUser(const Machine& machine) {
  for (const char* name : {"libvirt-qemu", "qemu"}) {
    absl::optional<Actor> user = machine.user(name);
    if (user.has_value()) return user;
  }
  return absl::nullopt;
}

}  // namespace entropyd::doctor
