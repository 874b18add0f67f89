// Rewrites a libvirt domain's XML so that the host agent feeds its generator, and back.
//
// libvirt has no <backend model='pool' name='default' class='gold'/>. The same is said by an egd
// backend on the agent's socket, and the class in the domain's metadata (base/libvirt/libvirt_domain.h):
//
//   DomainEdit edit = SetFeed(xml, {.pool_class = "default/gold"}).value();
//   if (!edit.changes.empty()) Define(edit.xml);
//
// All of it is idempotent, and what is not named here stays as it is.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/libvirt/rng_device.h"

namespace entropyd {

struct Feed {
  std::string pool_class;  // POOL/CLASS
  std::string socket = kDefaultEgdSocket;
  bool only = false;  // take the domain's other generators away
};

struct DomainEdit {
  std::string before;                // as XmlDocument writes it, for a comparison with `xml`
  std::string xml;                   // the whole domain
  std::vector<std::string> changes;  // what was changed, in words; empty = nothing had to be
  std::vector<std::string> remarks;  // what stays and may surprise
};

// Takes the first device on feed.socket, else the first on any of entropyd's sockets, else adds
// one.
// Errors: INVALID_ARGUMENT (no domain, no class).
absl::StatusOr<DomainEdit> SetFeed(absl::string_view xml, const Feed& feed);

// Takes the class out of the metadata, and the devices on `socket`; on any of entropyd's sockets
// when it is empty. Errors: INVALID_ARGUMENT (no domain).
absl::StatusOr<DomainEdit> RemoveFeed(absl::string_view xml, absl::string_view socket);

// Turns every <backend model='pool' name='POOL' class='CLASS'/> of a domain into what SetFeed makes
// of it. Errors: INVALID_ARGUMENT (no domain; such a backend without name or class, or two that
// differ: a domain has one class), NOT_FOUND when there is no such backend.
absl::StatusOr<DomainEdit> ConvertPoolBackends(absl::string_view xml, const std::string& socket);

// The parts of a running domain: a device to attach, those to detach, the element for its metadata,
// to which libvirt adds the name space.
std::string FedRngXml(const std::string& socket);
std::vector<std::string> FedRngXmls(absl::string_view xml, absl::string_view socket);
std::string ClassElementXml(absl::string_view pool_class);

}  // namespace entropyd
