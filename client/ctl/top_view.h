// `entropyctl top`: who draws most of this host's agent, now.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>

#include "proto/agent_admin.pb.h"

namespace entropyd {

// Busiest first; whose rates are equal, by what they have had.
void SortByRate(v1::GetStatusResponse* status);
void SortByRate(v1::ListGuestsResponse* guests);

// A line for the host, its classes, and its guests, `rows` of them at most and how many are left
// out.
std::string TopText(const v1::GetStatusResponse& status, const v1::ListGuestsResponse& guests,
                    size_t rows);
// {"status":...,"guests":[...]} on one line.
std::string TopJson(const v1::GetStatusResponse& status, const v1::ListGuestsResponse& guests);

}  // namespace entropyd
