// What `entropyctl demo` writes and says, as plain text: the lines that a user pastes, and
// configuration files for a server, an agent and entropyctl. These three know only one another.
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// The CA, and the trust domain of the identities it signs. A name that nobody takes for real.
inline constexpr char kDemoAuthority[] = "DEV";
inline constexpr char kDemoServerId[] = "spiffe://dev/server/demo";
inline constexpr char kDemoAgentId[] = "spiffe://dev/agent/demo";
inline constexpr char kDemoOperatorId[] = "spiffe://dev/operator/demo";
inline constexpr char kDemoClass[] = "default/demo";

struct DemoPaths {
  explicit DemoPaths(absl::string_view dir);
  // Errors: INVALID_ARGUMENT when a unix socket cannot lie that deep, or when the name has a
  // character that cannot be shown.
  absl::Status Check() const;
  // Looks at the directory and at those above it, as far as they are there.
  // Errors: FAILED_PRECONDITION when everybody could replace files of one of them.
  absl::Status CheckPlace() const;

  std::string dir;
  std::string pki;  // directory of the CA
  std::string ca, server_cert, server_key, agent_cert, agent_key, operator_cert, operator_key;
  std::string server_yaml, agent_yaml, client_yaml;
  std::string server_ports, agent_ports;  // written by the daemons when they are ready
  std::string server_log, agent_log;
  std::string socket, control, state_dir;  // the agent's
};

// Which generators this machine has.
struct DemoSources {
  bool hwrng = false;
  bool rdrand = false;
  std::string hwrng_reason;  // why not, e.g. "permission denied"

  bool software_only() const { return !hwrng && !rdrand; }
};

inline constexpr char kDemoHwrng[] = "/dev/hwrng";

// Opens /dev/hwrng and reads a byte within two seconds; asks CPUID for RDRAND.
DemoSources ProbeDemoSources();
// Which generators serve, in a few lines; loud when none does but the kernel.
std::string DescribeDemoSources(const DemoSources& sources);

std::string DemoServerYaml(const DemoPaths& paths, const DemoSources& sources);
// An http_port of 0 lets the kernel choose.
std::string DemoAgentYaml(const DemoPaths& paths, uint16_t server_port, uint16_t http_port);
std::string DemoClientYaml(const DemoPaths& paths, uint16_t server_port);

// One line that boots nothing by itself but can be added to any QEMU command line. `reconnect` is
// QemuReconnect::option (client/guest_boot/qemu_reconnect.h).
std::string QemuOptions(absl::string_view socket, absl::string_view reconnect);
// The <rng> element for a domain.
std::string LibvirtXml(absl::string_view socket);

// A daemon's --ports-file: lines NAME=PORT. 0 when the name is not there.
uint16_t PortNamed(absl::string_view ports_file, absl::string_view name);

}  // namespace entropyd
