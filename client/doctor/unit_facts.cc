#include "client/doctor/unit_facts.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/doctor/process_facts.h"

namespace entropyd::doctor {
namespace {

// A dynamic user has a number only while the unit runs. This one is in the range for them.
constexpr uid_t kDynamicUser = 65519;

uint64_t LimitOf(const std::string& text) {
  uint64_t limit = 0;
  if (text == "infinity") return kNoLimit;
  return absl::SimpleAtoi(text, &limit) ? limit : 0;
}

// "{ path=/usr/bin/entropyd ; argv[]=/usr/bin/entropyd --config FILE ; … }"
void ReadExecStart(absl::string_view text, Unit* unit) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  for (size_t i = 0; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (absl::ConsumePrefix(&word, "path=")) unit->program = std::string(word);
    if (word == "--config" && i + 1 < words.size()) unit->config = std::string(words[i + 1]);
    if (absl::ConsumePrefix(&word, "--config=")) unit->config = std::string(word);
  }
}

Actor ActorOf(const Machine& machine, const std::string& user, bool dynamic,
              const std::string& ambient) {
  Actor actor = {.name = "root", .uid = 0, .groups = {0}, .overrides = true, .locks_all = true};
  if (user.empty() || user == "root") return actor;
  const absl::optional<Actor> known = machine.user(user);
  actor = known.has_value() ? *known
                            : Actor{.name = user, .uid = kDynamicUser, .groups = {kDynamicUser}};
  actor.name = absl::StrCat(dynamic ? "the dynamic user " : "user ", user);
  actor.overrides = absl::StrContains(ambient, "cap_dac_override");
  actor.reads_all = absl::StrContains(ambient, "cap_dac_read_search");
  actor.locks_all = absl::StrContains(ambient, "cap_ipc_lock");
  return actor;
}

}  // namespace

absl::optional<Unit> FindUnit(const Machine& machine, const std::string& name) {
  const absl::StatusOr<ProgramOutput> shown = machine.run(
      {"systemctl", "show", absl::StrCat(name, ".service"),
       "--property=LoadState,ActiveState,Result,MainPID,ExecStart,User,DynamicUser,"
       "AmbientCapabilities,LimitNOFILE,LimitMEMLOCK,DevicePolicy,DeviceAllow,StateDirectory"});
  if (!shown.ok() || shown->status != 0) return absl::nullopt;
  Unit unit;
  unit.name = name;
  std::map<std::string, std::string> values;
  for (absl::string_view line : absl::StrSplit(shown->out, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (parts.first == "DeviceAllow") {
      unit.device_allow.push_back(parts.second.substr(0, parts.second.find(' ')));
    }
    values[parts.first] = parts.second;
  }
  if (values["LoadState"] != "loaded") return absl::nullopt;
  unit.state = values["ActiveState"];
  unit.result = values["Result"];
  if (!absl::SimpleAtoi(values["MainPID"], &unit.main_pid)) unit.main_pid = 0;
  ReadExecStart(values["ExecStart"], &unit);
  unit.descriptors = LimitOf(values["LimitNOFILE"]);
  unit.locked_limit = LimitOf(values["LimitMEMLOCK"]);
  unit.actor = ActorOf(machine, values["User"], values["DynamicUser"] == "yes",
                       values["AmbientCapabilities"]);
  unit.knows_user = unit.actor.uid != kDynamicUser;
  unit.devices_closed = values["DevicePolicy"] != "auto" && !values["DevicePolicy"].empty();
  unit.has_state_dir = !values["StateDirectory"].empty();
  return unit;
}

}  // namespace entropyd::doctor
