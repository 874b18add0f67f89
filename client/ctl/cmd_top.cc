// `entropyctl top`: the agent's classes and guests by rate, again and again.
#include <unistd.h>

#include <iostream>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/agent_admin_client.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/ctl/interrupt.h"
#include "client/show/output.h"
#include "client/show/top_view.h"

namespace entropyd {
namespace {

// Enough for a large screen; JSON has all rows.
constexpr size_t kRows = 40;
// How long an agent may not answer.
constexpr absl::Duration kPatience = absl::Seconds(15);
constexpr char kClear[] = "\x1b[H\x1b[2J";

// An agent that ends cancels the calls that it has not answered.
bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status);
}

}  // namespace

int RunTop(const ClientFlags& flags, const TopOptions& options, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  Interrupt interrupt;  // before gRPC starts threads
  const auto agent = DialAgent(config->control());
  const bool clear = !json && !options.once && isatty(STDOUT_FILENO) != 0;
  // Only an agent that has answered is waited for.
  absl::Time answered = absl::InfinitePast();
  do {
    auto status = agent->GetStatus();
    auto guests =
        status.ok() ? agent->ListGuests() : absl::StatusOr<v1::ListGuestsResponse>(status.status());
    if (!guests.ok()) {
      // An agent that is upgraded or restarted is back soon.
      if (IsAway(guests.status()) && absl::Now() - answered < kPatience) continue;
      return FailAgent(guests.status(), config->control());
    }
    answered = absl::Now();
    SortByRate(&*status);
    SortByRate(&*guests);
    if (clear) std::cout << kClear;
    json ? PrintJson(TopJson(*status, *guests))
         : Print(TopText(*status, *guests, kRows, ScreenColumns()));
    std::cout << std::flush;
    // The reader is gone, and main() says so.
    if (!std::cout) return kExitRuntime;
  } while (!options.once && !interrupt.Wait(absl::Seconds(options.seconds)));
  return kExitOk;
}

}  // namespace entropyd
