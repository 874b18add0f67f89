// `entropyctl classes simulate`: shows what a class tree would give to whom.
#include <cmath>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/show/json_text.h"
#include "client/show/output.h"
#include "client/show/table.h"
#include "client/simulate/class_scenario.h"
#include "client/simulate/class_simulation.h"

namespace entropyd {
namespace {

// Figures have the unit of the scenario, so none is added.
std::string Figure(double value) { return absl::StrFormat("%.6g", value); }

std::string SharesJson(const SimulatedShares& shares) {
  JsonObject leaf;
  for (const auto& [name, share] : shares.leaf) {
    leaf.SetRaw(name, absl::StrFormat("%.9g", share));
  }
  return JsonObject().SetRaw("leaf", leaf.ToString()).ToString();
}

std::string SharesTable(const ClassScenario& scenario, const SimulatedShares& shares) {
  Table table({"CLASS~", "RATE>", "CEIL>", "LOAD>", "SHARE>"});
  for (const ClassScenario::Class& c : scenario.classes) {
    if (!c.leaf) continue;
    const auto load = scenario.load.find(c.name);
    table.Add({c.name, Figure(c.rate), std::isinf(c.ceil) ? "-" : Figure(c.ceil),
               load == scenario.load.end() ? "backlogged" : Figure(load->second),
               Figure(shares.leaf.at(c.name))});
  }
  return table.ToString(ScreenColumns());
}

}  // namespace

int RunClassesSimulate(const std::string& file, bool json) {
  const absl::StatusOr<ClassScenario> scenario = ReadClassScenario(file);
  if (!scenario.ok()) return FailFile(scenario.status());
  const absl::StatusOr<SimulatedShares> shares = SimulateClasses(*scenario);
  if (!shares.ok()) return Fail(shares.status());
  for (const auto& warnings : {scenario->warnings, shares->warnings}) {
    for (const std::string& warning : warnings) {
      std::cerr << "entropyctl: warning: " << warning << "\n";
    }
  }
  std::cout << (json ? SharesJson(*shares) + "\n" : SharesTable(*scenario, *shares));
  return kExitOk;
}

}  // namespace entropyd
