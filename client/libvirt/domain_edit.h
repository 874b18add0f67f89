// Rewrites a libvirt domain's XML so that the host agent feeds its generator, and back.
//
// libvirt has no <backend model='pool' name='default' class='gold'/>. Two parts say the same: an
// egd backend on the agent's socket, and the class in the domain's metadata
// (base/libvirt/libvirt_domain.h):
//
//   DomainEdit edit = SetFeed(xml, {.pool_class = "default/gold"}).value();
//   if (!edit.changes.empty()) Define(edit.xml);
//
// All functions are idempotent. They change nothing else in the domain.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/libvirt/rng_device.h"

namespace entropyd {

// How the agent feeds a domain.
struct Feed {
  std::string pool_class;  // POOL/CLASS
  std::string socket = kDefaultEgdSocket;
  bool only = false;  // remove the other generators of the domain
};

struct DomainEdit {
  std::string before;                // as XmlDocument writes it, to compare with `xml`
  std::string xml;                   // the whole domain
  std::vector<std::string> changes;  // what was changed, in words; empty = nothing
  std::vector<std::string> notes;    // what stays and may surprise
};

// Changes the first device on feed.socket; else the first on any socket of entropyd; else adds a
// device. Errors: INVALID_ARGUMENT (no domain, no class).
absl::StatusOr<DomainEdit> SetFeed(absl::string_view xml, const Feed& feed);

// Removes the class from the metadata, and the devices on `socket`. `socket` empty = on any socket
// of entropyd. Errors: INVALID_ARGUMENT (no domain).
absl::StatusOr<DomainEdit> RemoveFeed(absl::string_view xml, absl::string_view socket);

// Turns every <backend model='pool' name='POOL' class='CLASS'/> of a domain into what SetFeed
// writes. Errors: INVALID_ARGUMENT (no domain; such a backend without name or class, or two that
// differ, because a domain has one class), NOT_FOUND (no such backend).
absl::StatusOr<DomainEdit> ConvertPoolBackends(absl::string_view xml, const std::string& socket);

// Parts for a running domain. The device to attach.
std::string FedRngXml(const std::string& socket);
// The devices to detach.
std::vector<std::string> FedRngXmls(absl::string_view xml, absl::string_view socket);
// The element for its metadata, to which libvirt adds the namespace.
std::string ClassElementXml(absl::string_view pool_class);

}  // namespace entropyd
