#include "hostagent/descriptor_check.h"

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// Files that are there beside guests: the log, the loop's own descriptors, the control socket, the
// HTTP port and their connections, the streams to the old and the new server, a handover, libvirt's
// directory.
constexpr uint64_t kOtherDescriptors = 96;

}  // namespace

absl::Status CheckDescriptors(const config::v1::HostAgent& config, uint64_t descriptors, Log* log) {
  const uint64_t other = kOtherDescriptors + static_cast<uint64_t>(config.listeners_size());
  const uint64_t needed = other + config.max_guests();
  if (descriptors <= other) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process may open ", descriptors, " files, which leaves no room for ",
                     "guests; allow it ", needed, " (LimitNOFILE= of the unit, ulimit -n)"));
  }
  if (descriptors < needed) {
    log->Warning("agent.few_descriptors",
                 {{"limit", descriptors},
                  {"needed", needed},
                  {"guests", descriptors - other},
                  {"remedy", "LimitNOFILE= of the unit, ulimit -n, or a lower max_guests"}});
  }
  return absl::OkStatus();
}

}  // namespace entropyd
