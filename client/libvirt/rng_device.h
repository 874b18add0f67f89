// Reads and changes the <rng> devices of a libvirt domain.
//
//   for (const RngDevice& rng : RngDevices(document.root())) {
//     if (rng.ConnectsTo("/run/entropyd/egd.sock") && !rng.reconnects) ...
//   }
//
// Errors: none; what libvirt does not know is kOther.
//
// Thread safety: as the document of the device, which must outlive it.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/libvirt/xml_document.h"

namespace entropyd {

// The same as the default of the agent.
inline constexpr char kDefaultEgdSocket[] = "/run/entropyd/egd.sock";
// Seconds, the shortest time that QEMU 7.2 allows: how long a guest may have no generator.
inline constexpr char kReconnectSeconds[] = "1";

enum class RngBackend {
  kNone,  // the device has no backend
  kRandom,
  kBuiltin,
  kEgd,
  kPool,   // ours, libvirt does not know it
  kOther,  // of a later libvirt
};

struct RngDevice {
  XmlElement* element = nullptr;
  RngBackend backend = RngBackend::kNone;
  std::string model;        // the word for it in the domain, also for kOther
  std::string path;         // of the device (random) or of the unix socket (egd); "" = neither
  bool binds = false;       // egd: QEMU would listen there instead of connecting
  bool reconnects = false;  // egd
  bool has_rate = false;

  // True for an egd backend on that socket.
  bool ConnectsTo(absl::string_view socket) const;
  // True for an egd backend on any socket in the directories that agents use.
  bool IsEntropyds() const;
};

// In the order of the domain.
std::vector<RngDevice> RngDevices(const XmlElement* domain);

// "random /dev/urandom", "egd /run/entropyd/egd.sock", "builtin"
std::string DescribeRng(const RngDevice& rng);

// A new device that is fed from `socket`. The caller puts it into its place.
XmlElement* NewFedRng(const XmlDocument& document, const std::string& socket);
// Changes a device so that `socket` feeds it: its backend becomes egd on `socket` with
// reconnection, and a rate is removed. Returns what was changed, in words; empty = nothing.
std::vector<std::string> MendFedRng(const XmlDocument& document, const RngDevice& rng,
                                    const std::string& socket);

}  // namespace entropyd
