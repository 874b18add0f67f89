// `entropyctl top`: the agent's classes and guests by rate, again and again.
#include <unistd.h>

#include <iostream>

#include "absl/time/time.h"
#include "client/agent_admin_client.h"
#include "client/ctl/commands.h"
#include "client/ctl/interrupt.h"
#include "client/show/output.h"
#include "client/show/top_view.h"

namespace entropyd {
namespace {

// Enough for a large screen; JSON has all rows.
constexpr size_t kRows = 40;
constexpr char kClear[] = "\x1b[H\x1b[2J";

}  // namespace

int RunTop(const ClientFlags& flags, const TopOptions& options, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  Interrupt interrupt;  // before gRPC starts threads
  const auto agent = AgentAdminClient::Create(config->control());
  const bool clear = !json && !options.once && isatty(STDOUT_FILENO) != 0;
  do {
    auto status = agent->GetStatus();
    if (!status.ok()) return FailAgent(status.status());
    auto guests = agent->ListGuests();
    if (!guests.ok()) return FailAgent(guests.status());
    SortByRate(&*status);
    SortByRate(&*guests);
    if (clear) std::cout << kClear;
    json ? PrintJson(TopJson(*status, *guests))
         : Print(TopText(*status, *guests, kRows, ScreenColumns()));
    std::cout << std::flush;
    if (!std::cout) return kExitRuntime;  // the reader is gone
  } while (!options.once && !interrupt.Wait(absl::Seconds(options.seconds)));
  return kExitOk;
}

}  // namespace entropyd
