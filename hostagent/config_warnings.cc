#include "hostagent/config_warnings.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/warnings.h"
#include "hostagent/endpoint/tcp_address.h"

namespace entropyd {
namespace {

class AgentWarner {
 public:
  AgentWarner(const config::v1::HostAgent& config, const config::Locations& locations)
      : config_(config), warnings_(&locations) {}

  std::vector<std::string> Look() {
    warnings_.LookAtPrivateKey("tls.key", config_.tls().key());
    for (int i = 0; i < config_.listeners_size(); ++i) LookAtListener(i);
    LookAtLibvirt();
    if (config_.metrics().empty()) {
      warnings_.AddForKey("guest_metrics",
                          "does nothing without an address: metrics is empty; remove it");
    }
    warnings_.LookAtShare("max_connections_per_guest", config_.max_connections_per_guest(),
                          "max_guests", config_.max_guests(), "guests");
    return warnings_.Take();
  }

 private:
  void LookAtListener(int i) {
    const config::v1::ListenerConfig& listener = config_.listeners(i);
    const std::string at = absl::StrCat("listeners[", i, "].");
    if (!listener.path().empty()) {
      warnings_.AddForKey(at + "allow_remote",
                          "does nothing: a unix socket is of this host; remove it");
    } else if (!listener.listen().empty()) {
      warnings_.AddForKey(at + "mode", "does nothing: a TCP port has no mode; remove it");
      const absl::StatusOr<TcpAddress> address = ParseTcpAddress(listener.listen());
      if (address.ok() && address->loopback && listener.allow_remote()) {
        warnings_.Add(at + "allow_remote",
                      "does nothing: nobody else reaches a loopback address; remove it");
      }
    }
  }

  void LookAtLibvirt() {
    const auto& listeners = config_.listeners();
    const auto first = std::find_if(listeners.begin(), listeners.end(), [](const auto& listener) {
      return listener.identify() == config::v1::IDENTIFY_LIBVIRT;
    });
    if (first == listeners.end()) {
      warnings_.AddForKey("libvirt_dir",
                          "does nothing: no listener has identify: libvirt; remove it");
      return;
    }
    std::error_code error;
    if (std::filesystem::is_directory(config_.libvirt_dir(), error)) return;
    warnings_.Add(
        absl::StrCat("listeners[", first - listeners.begin(), "].identify"),
        absl::StrCat("libvirt is not there: it keeps its status files in ", config_.libvirt_dir(),
                     " (libvirt_dir) when it runs; until then guests are known by their cgroups, ",
                     "and classes in the metadata of domains count for nothing; start libvirt, ",
                     "or write identify: cgroup"));
  }

  const config::v1::HostAgent& config_;
  config::Warnings warnings_;
};

}  // namespace

std::vector<std::string> AgentConfigWarnings(const config::v1::HostAgent& config,
                                             const config::Locations& locations) {
  return AgentWarner(config, locations).Look();
}

}  // namespace entropyd
