// What all attachments of an upstream have in common, with its metrics.
//
//   const Attachment::Context context =
//       NewAttachmentContext(host_id, uniform, classes, &clock, &log, &metrics);
//
// Errors: none.
//
// Thread safety: a function without state.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "hostagent/serving/class_filler.h"
#include "hostagent/upstream/attachment.h"

namespace entropyd {

// `host_id` has 16 bytes, `uniform` gives numbers in [0, 1). All others outlive the context.
Attachment::Context NewAttachmentContext(const std::string& host_id,
                                         const std::function<double()>& uniform,
                                         const std::vector<FilledClass*>& classes,
                                         const Clock* clock, Log* log, Metrics* metrics);

}  // namespace entropyd
