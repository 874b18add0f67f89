// What the demo shows while it runs: a few lines from what server and agent say of themselves.
//
// Errors: none.
//
// Thread safety: LiveScreen belongs to one thread; the functions have no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "proto/admin.pb.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {

// One look at the demo. An answer that did not come is absent.
struct DemoSnapshot {
  double seconds = 0;  // since the demo was ready
  absl::optional<v1::ListSourcesResponse> sources;
  absl::optional<v1::ListPoolsResponse> pools;
  absl::optional<v1::GetStatusResponse> agent;
  std::string guest;  // what the test guest is at; empty = there is none

  uint64_t delivered() const;  // to guests, all classes, bytes; 0 when the agent is silent
  uint32_t guests() const;
};

// Bytes per second delivered between two looks; 0 when they are not both there.
double DeliveredRate(const DemoSnapshot& before, const DemoSnapshot& now);

// The live view, one element a line, none longer than `columns`.
std::vector<std::string> DemoLines(const DemoSnapshot& now, double rate, int columns);
// The same in one line, for logs.
std::string DemoLine(const DemoSnapshot& now, double rate);
// The same for programs.
std::string DemoTickJson(const DemoSnapshot& now, double rate);

// Redraws lines in place on a terminal.
class LiveScreen {
 public:
  // Replaces what was drawn before. One write, so that nothing flickers.
  void Show(const std::vector<std::string>& lines);
  // Wipes it: for a message that shall stay, or the end.
  void Clear();

 private:
  size_t drawn_ = 0;
};

// Of standard output's terminal; 80 when it has none.
int TerminalColumns();

}  // namespace entropyd
