// Which domain a person means. virsh takes a number for an id before it takes it for a name: while
// one domain has the id 7, `virsh dumpxml 7` does not show another one that is named 7. We look the
// word up ourselves, and name the UUID to virsh from then on.
//
//   LibvirtName domain = ChooseDomain(host->Domains().value(), "web1").value();
//   host->DumpXml(domain.uuid, LibvirtView::kDefined);
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/libvirt/libvirt_host.h"

namespace entropyd {

// `word`: a name, a UUID in any case, or an id. Errors: NOT_FOUND; INVALID_ARGUMENT when it means
// more than one domain: the message has the UUIDs of all.
absl::StatusOr<LibvirtName> ChooseDomain(const std::vector<LibvirtName>& all,
                                         const std::string& word);

// Whether the XML is of this domain. Errors: ABORTED; that of ParseLibvirtDomain.
absl::Status CheckDomain(const LibvirtName& domain, const std::string& xml);

}  // namespace entropyd
