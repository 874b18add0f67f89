// Writes the answers of Admin and AgentAdmin as tables, and judges them for `entropyctl status`.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "client/show/table.h"
#include "proto/admin.pb.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

// Each table ends with a line end. An empty answer gives "none". `columns`: what the terminal has
// (Table::ToString).
std::string SourcesTable(const v1::ListSourcesResponse& answer, size_t columns = kAnyWidth);
// One source: its figures and its past states.
std::string SourceText(const v1::Source& source, size_t columns = kAnyWidth);
std::string PoolsTable(const v1::ListPoolsResponse& answer, size_t columns = kAnyWidth);
std::string ClassesTable(const v1::ListClassesResponse& answer,
                         size_t columns = kAnyWidth);  // indented as the tree
// The same, with the rate at which each class was served since `before`, which is `seconds` older.
// "-" for a class that `before` lacks, or that has begun to count from 0 since.
std::string ClassesTable(const v1::ListClassesResponse& answer,
                         const v1::ListClassesResponse& before, double seconds,
                         size_t columns = kAnyWidth);
// One figure a line: what differs from the configuration; `undone`: what differed until now.
std::string DifferencesTable(
    const google::protobuf::RepeatedPtrField<v1::ClassDifference>& differences,
    size_t columns = kAnyWidth, bool undone = false);
// What a reload has changed, a line each, and which keys need a restart.
std::string ReloadText(const v1::ReloadServerResponse& answer);
// Which file an agent serves by now, and what differs from before, a line each.
std::string AgentReloadText(const v1::ReloadResponse& answer);
std::string AgentsTable(const v1::ListAgentsResponse& answer, size_t columns = kAnyWidth);
std::string ByteText(uint64_t bytes);  // "1.5 MiB"
// "250 us", "1.2 ms", "3.4 s"; "-" for none.
std::string WaitText(double seconds);
std::string GuestsTable(const v1::ListGuestsResponse& answer, size_t columns = kAnyWidth);
// The classes of the agent. BUFFER is what a class buffer holds now, TARGET up to what it is
// filled.
std::string AgentClassesTable(const v1::GetStatusResponse& answer, size_t columns = kAnyWidth);

// Why a server is not well: one reason for each pool that cannot serve. A source that is out is no
// reason of its own, because its pool says when it lacks one too many.
std::vector<std::string> ServerTroubles(const v1::ListPoolsResponse& pools,
                                        const v1::ListAgentsResponse& agents);
// Which classes the server does not serve to an agent that is attached, and why.
std::vector<std::string> ClassTroubles(const v1::GetStatusResponse& status);
// Why an agent is not well: it is not attached, or a class gets no bytes.
std::vector<std::string> AgentTroubles(const v1::GetStatusResponse& status);
// What an operator should look at although all is served: degraded pools, pools of software only,
// sources that are out.
std::vector<std::string> ServerWarnings(const v1::ListSourcesResponse& sources,
                                        const v1::ListPoolsResponse& pools,
                                        const v1::ListAgentsResponse& agents);
std::vector<std::string> AgentWarnings(const v1::GetStatusResponse& status);

}  // namespace entropyd
