// What the two sides of a handover share. The giver is the agent that runs
// (hostagent/handover/giver.h). The taker is a new process (hostagent/handover/taker.h).
//
//   taker                                 giver
//   Begin (formats, version)         ->   checks; Offer, or Refusal and all is as it was
//                                         leaves its server, serves on from its buffers
//   attaches, fills its buffers
//   Request                          ->   touches no guest from here on
//                                    <-   Numbers with the listeners; Connections, in batches
//   adopts all, touches none
//   Prepared                         ->   Go: the point of no return
//   serves                           <-
//   Serving                          ->   exits, or with --linger ends the link and waits
//
// Until it sends Go, the giver has given up nothing but its stream. If anything fails before that,
// it returns to its server and serves on, and the taker exits without having touched a guest. After
// Go the giver never touches a guest again. A taker that dies then takes the guests with it, like
// any agent that dies.
//
// Go is never in doubt. A taker that gives up waiting first closes its receiving side. Then either
// it has Go, or sending Go fails.
//
// Each side may send Refusal at any time before Go, with the reason. Then it closes the link.
//
// Between Request and Go the giver's loop stands still: nobody reads or writes a guest's socket.
// HandoverGiver::kGivePatience bounds that time.
//
// Errors: UnexpectedMessage() makes them.
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

// The format that this program writes, and the only one it can read. A change that an older reader
// would misunderstand adds another one, and for one release a program knows both
// (docs/compatibility.md).
inline constexpr uint32_t kHandoverFormat = 1;

// For a short message to a process that is there to read it, and for its answer.
inline constexpr absl::Duration kHandoverAnswerPatience = absl::Seconds(1);

// The path of the socket beside the control socket.
std::string HandoverPath(const std::string& control_socket);

// What is wrong when this message comes instead of the `expected` one. FAILED_PRECONDITION with the
// other side's reason when it is a Refusal, else DATA_LOSS.
absl::Status UnexpectedMessage(const handover::v1::Message& message, absl::string_view expected);

}  // namespace entropyd
