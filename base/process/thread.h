// Starts a thread, or says why not. std::thread throws where the system refuses one, and nobody
// here catches: the process would end.
//
//   absl::StatusOr<std::thread> thread = StartThread([this] { Run(); });
//   if (!thread.ok()) return thread.status();
//
// Errors: RESOURCE_EXHAUSTED, with the reason and the limits to look at. The condition may pass, so
// a caller that can try again should do so.
//
// Thread safety: functions without state.
#pragma once

#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace entropyd {

absl::StatusOr<std::thread> StartThread(std::function<void()> run);

// OK when gRPC could start its threads now. Where it cannot, it aborts the process; so ask before
// the first server or channel. Errors: as above.
absl::Status CheckThreadsForGrpc();

}  // namespace entropyd
