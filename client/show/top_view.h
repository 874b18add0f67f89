// The page of `entropyctl top`: which guests get most from the agent of this host now.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>

#include "client/show/table.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

// Puts the highest rate first. Equal rates are in the order of the bytes delivered so far.
void SortByRate(v1::GetStatusResponse* status);
void SortByRate(v1::ListGuestsResponse* guests);

// A line for the host, its classes, at most `rows` of its guests' connections, and how many are
// left out. `columns`: what the terminal has.
std::string TopText(const v1::GetStatusResponse& status, const v1::ListGuestsResponse& guests,
                    size_t rows, size_t columns = kAnyWidth);
// {"status":...,"guests":[...]} on one line.
std::string TopJson(const v1::GetStatusResponse& status, const v1::ListGuestsResponse& guests);

}  // namespace entropyd
