#include "client/libvirt/domain_choice.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/libvirt/libvirt_domain.h"

namespace entropyd {

absl::StatusOr<LibvirtName> ChooseDomain(const std::vector<LibvirtName>& all,
                                         const std::string& word) {
  std::vector<LibvirtName> meant;
  // Nobody shares a UUID, and a person who was asked for one means it, whatever others are called.
  for (const LibvirtName& domain : all) {
    if (absl::EqualsIgnoreCase(word, domain.uuid)) return domain;
  }
  for (const LibvirtName& domain : all) {
    const bool by_id = !domain.id.empty() && word == domain.id;
    if (by_id || word == domain.name) meant.push_back(domain);
  }
  if (meant.empty()) {
    return absl::NotFoundError(absl::StrCat("libvirt has no domain '", word,
                                            "'; `virsh list --all` lists those that it has"));
  }
  if (meant.size() == 1) return meant.front();
  return absl::InvalidArgumentError(absl::StrCat(
      "'", word, "' means more than one domain; give the UUID: ",
      absl::StrJoin(meant, ", ", [](std::string* out, const LibvirtName& domain) {
        absl::StrAppend(out, domain.uuid, " (name '", domain.name, "', ",
                        domain.id.empty() ? "not running" : absl::StrCat("id ", domain.id), ")");
      })));
}

absl::Status CheckDomain(const LibvirtName& domain, const std::string& xml) {
  const auto read = ParseLibvirtDomain(xml);
  if (!read.ok()) return read.status();
  if (read->name == domain.name && read->uuid == domain.uuid) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(
      domain.name, " (", domain.uuid, "): libvirt gives the XML of '", read->name, "' (",
      read->uuid, "); somebody renames or replaces it; nothing was done, try again"));
}

}  // namespace entropyd
