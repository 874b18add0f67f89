// Whether the agent can serve its guests: what /readyz says.
//
//   Readiness(metrics, settings.named_classes, upstream.was_attached());
//   // UNAVAILABLE: "guests of class default/gold wait, and its server is gone"
//
// It is not ready while guests that should be served get nothing, and says which. That is so
// * while a listener is not open;
// * before the first server, when nothing is buffered;
// * in a class that the server refuses;
// * in a class whose server is gone and whose buffer is empty, without a local fallback.
// It stays ready while a buffer or the local fallback serves, and when a class only waits for its
// rate.
//
// Errors: UNAVAILABLE, with what keeps the agent from serving.
//
// Thread safety: a function without state. The numbers of AgentMetrics are safe.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "hostagent/agent_metrics.h"

namespace entropyd {

// The first `named_classes` of the classes are those that a listener or a feed names
// (AgentSettings). Others count when a guest is there. `was_attached`: to any server, ever.
absl::Status Readiness(const AgentMetrics& metrics, size_t named_classes, bool was_attached);

}  // namespace entropyd
