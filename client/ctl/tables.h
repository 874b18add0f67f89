// The answers of Admin and AgentAdmin as tables, and the verdict that `entropyctl status` gives.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "proto/admin.pb.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

// Each ends with a line end; "none" when the answer is empty.
std::string SourcesTable(const v1::ListSourcesResponse& answer);
// One source: its figures, and the states that it went through.
std::string SourceText(const v1::Source& source);
std::string PoolsTable(const v1::ListPoolsResponse& answer);
std::string ClassesTable(const v1::ListClassesResponse& answer);  // indented as the tree
// The same with the rate at which each class was served since `before`, `seconds` earlier. "-" for
// a class that was not there then or has begun to count anew since.
std::string ClassesTable(const v1::ListClassesResponse& answer,
                         const v1::ListClassesResponse& before, double seconds);
// Where classes are not as configured, one figure a line.
std::string DifferencesTable(
    const google::protobuf::RepeatedPtrField<v1::ClassDifference>& differences);
std::string AgentsTable(const v1::ListAgentsResponse& answer);
// "250 us", "1.2 ms", "3.4 s"; "-" for none.
std::string WaitText(double seconds);
std::string GuestsTable(const v1::ListGuestsResponse& answer);
// The agent's classes and what lies in their buffers.
std::string AgentClassesTable(const v1::GetStatusResponse& answer);

// Why a server is not well, one reason each: a pool that cannot serve. Sources are no reason of
// their own, because a pool says when it misses one too many.
std::vector<std::string> ServerTroubles(const v1::ListPoolsResponse& pools);
// Why an agent is not well: not attached, or a class that does not flow.
std::vector<std::string> AgentTroubles(const v1::GetStatusResponse& status);
// What should be looked at although all is served: degraded pools, software only, sources out.
std::vector<std::string> ServerWarnings(const v1::ListSourcesResponse& sources,
                                        const v1::ListPoolsResponse& pools);
std::vector<std::string> AgentWarnings(const v1::GetStatusResponse& status);

}  // namespace entropyd
