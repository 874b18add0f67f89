// Waits until the taker of a handover answers and its classes are as they should be.
//
//   auto status = AwaitAgent([&] { return agent->GetStatus(); }, absl::Now, absl::SleepFor);
//   if (!status.ok()) return FailAgent(status.status());
//
// Thread safety: a function without state.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

// How long after a handover the control socket of the taker may take.
inline constexpr absl::Duration kAnswerPatience = absl::Seconds(15);
// How long after that the server may take to open the classes. The taker is attached already, so
// the server's answers are under way.
inline constexpr absl::Duration kClassesPatience = absl::Seconds(2);
inline constexpr absl::Duration kAgentCheck = absl::Milliseconds(50);  // unnoticed by a person

// Calls `ask` until it answers with all classes open, or its patience is over; then the last answer
// tells what is not. Errors: those of `ask`, when it never answered.
absl::StatusOr<v1::GetStatusResponse> AwaitAgent(
    const std::function<absl::StatusOr<v1::GetStatusResponse>()>& ask,
    const std::function<absl::Time()>& now, const std::function<void(absl::Duration)>& sleep);

}  // namespace entropyd
