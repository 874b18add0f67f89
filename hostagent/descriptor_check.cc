#include "hostagent/descriptor_check.h"

#include "absl/strings/str_cat.h"
#include "base/config/needed_descriptors.h"

namespace entropyd {

absl::Status CheckDescriptors(const config::v1::HostAgent& config, uint64_t descriptors, Log* log) {
  const NeededDescriptors needed = DescriptorsNeededBy(config);
  if (descriptors < needed.least) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process may open ", descriptors, " files, which leaves no room for ",
                     "guests; allow it ", needed.all, " (LimitNOFILE= of the unit, ulimit -n)"));
  }
  if (descriptors < needed.all) {
    log->Warning("agent.few_descriptors",
                 {{"limit", descriptors},
                  {"needed", needed.all},
                  {"guests", descriptors - needed.other},
                  {"remedy", "LimitNOFILE= of the unit, ulimit -n, or a lower max_guests"}});
  }
  return absl::OkStatus();
}

}  // namespace entropyd
