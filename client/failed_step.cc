#include "client/failed_step.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/process/bounded_socket.h"
#include "base/wire/answer_mark.h"
#include "base/wire/connection_remedy.h"
#include "client/call_error.h"

namespace entropyd {
namespace {

// Each may take its whole patience.
constexpr size_t kMaxTried = 4;

std::string Step(ConnectionStep step, absl::string_view text) {
  return absl::StrCat(StepWord(step), ": ", text);
}

// Of a call from which nothing came back (`said`): which part of the way there fails.
std::string LookAt(absl::string_view said, const std::string& server, const StepPatience& patience,
                   const NameLookup::Resolve& resolve) {
  const NameLookup::Answer addresses = NameLookup(resolve, patience.name).Find(server);
  if (!addresses.ok()) return Step(ConnectionStep::kName, addresses.status().message());
  std::vector<std::string> tried;
  for (size_t i = 0; i < std::min(addresses->size(), kMaxTried); ++i) {
    const std::string& address = (*addresses)[i];
    const absl::Status status = ConnectWithin(address, absl::Now() + patience.address).status();
    if (status.ok()) {
      return Step(ConnectionStep::kTls, absl::StrCat(said, ": ", address,
                                                     " takes the connection, and no handshake "
                                                     "followed"));
    }
    tried.emplace_back(status.message());
  }
  return Step(ConnectionStep::kTcp, absl::StrCat(said, ": ", absl::StrJoin(tried, ", ")));
}

// gRPC gives the target when there is no connection.
bool IsConnected(absl::string_view peer) {
  return absl::StartsWith(peer, "ipv4:") || absl::StartsWith(peer, "ipv6:");
}

}  // namespace

absl::Status TellStep(const absl::Status& status, const std::string& server, absl::string_view peer,
                      const StepPatience& patience, const NameLookup::Resolve& resolve) {
  if (IsAnswer(status)) return status;
  const absl::string_view said = status.message();
  if (absl::IsDeadlineExceeded(status) && absl::StartsWith(said, kNoAnswer)) {
    if (!IsConnected(peer)) {
      return absl::UnavailableError(LookAt(said, server, patience, resolve));
    }
    return absl::DeadlineExceededError(absl::StrCat("connected, but ", said));
  }
  if (!absl::IsUnavailable(status)) return status;
  const ConnectionStep step = StepOf(said);
  if (step == ConnectionStep::kHello) return status;
  return absl::UnavailableError(Step(step, said));
}

}  // namespace entropyd
