// The <rng> devices of a libvirt domain, as far as entropyd has a say in them.
//
//   for (const RngDevice& rng : RngDevices(document.root())) {
//     if (rng.ConnectsTo("/run/entropyd/egd.sock") && !rng.reconnects) ...
//   }
//
// Thread safety: none of its own; an RngDevice lives as long as the document that it is of.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/libvirt/xml_document.h"

namespace entropyd {

// The agent's own default, too.
inline constexpr char kDefaultEgdSocket[] = "/run/entropyd/egd.sock";
// Seconds. QEMU 7.2 knows no shorter time; a guest without a generator waits that long at most.
inline constexpr char kReconnectSeconds[] = "1";

struct RngDevice {
  XmlElement* element = nullptr;
  std::string backend;      // random, builtin, egd; pool is ours and unknown to libvirt
  std::string path;         // of the device (random) or of the unix socket (egd); "" = neither
  bool binds = false;       // egd: QEMU would listen there instead of connecting
  bool reconnects = false;  // egd
  bool has_rate = false;

  // True for an egd backend whose socket that is.
  bool ConnectsTo(absl::string_view socket) const;
  // True for an egd backend on any socket of an agent that listens where agents do.
  bool IsEntropyds() const;
};

// In the order of the domain.
std::vector<RngDevice> RngDevices(const XmlElement* domain);

// "random /dev/urandom", "egd /run/entropyd/egd.sock", "builtin"
std::string DescribeRng(const RngDevice& rng);

// A whole device that is fed from `socket`, not yet in its place.
XmlElement* NewFedRng(const XmlDocument& document, const std::string& socket);
// What makes a device such a one: its backend becomes egd on `socket` with reconnection, a rate
// goes. Says what was changed, in words; empty = nothing had to be.
std::vector<std::string> MendFedRng(const XmlDocument& document, const RngDevice& rng,
                                    const std::string& socket);

}  // namespace entropyd
