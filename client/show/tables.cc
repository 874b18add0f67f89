#include "client/show/tables.h"

#include <cmath>
#include <map>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "base/config/units.h"
#include "base/wire/connection_remedy.h"
#include "base/wire/state_names.h"
#include "client/show/describe.h"
#include "client/show/output.h"
#include "client/show/table.h"

namespace entropyd {
namespace {

std::string Rate(uint64_t rate) { return rate == 0 ? "-" : FormatRate(static_cast<double>(rate)); }
std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }
std::string OrNone(const Table& table, size_t columns) {
  return table.empty() ? "none\n" : table.ToString(columns);
}

// Little entropy is not none: rdrand gives 256 bits in 64 KiB.
std::string EntropyText(double bits_per_byte) {
  if (bits_per_byte > 0 && bits_per_byte < 0.01) return absl::StrFormat("%.1g", bits_per_byte);
  return absl::StrFormat("%.2f", bits_per_byte);
}

std::string Because(const std::string& reason) {
  return reason.empty() ? "" : absl::StrCat(": ", reason);
}

// The agent says "upstream" as long as nobody had to wait for long. Nobody serves a class that the
// server has not opened.
std::string ServedBy(const v1::GetStatusResponse::ClassStatus& one) {
  const bool upstream = ParseClassMode(one.mode()) == ClassMode::kUpstream;
  return upstream && one.phase() != v1::PHASE_OPEN ? "-" : OrDash(one.mode());
}

// What is to be said of a guest's class that no server serves.
std::string Unserved(const std::string& mode) {
  return mode.empty() || ParseClassMode(mode) == ClassMode::kUpstream
             ? ""
             : absl::StrCat(" (", mode, ")");
}

// A class whose configuration names no weight has its rate as weight.
std::string WeightText(const v1::Class& one) {
  return one.weight() == static_cast<double>(one.rate()) ? "rate"
                                                         : absl::StrFormat("%.6g", one.weight());
}

// How deep a class lies in the tree of its pool. The walk ends at a parent that the answer lacks,
// and in a circle, which no server sends.
int Depth(const std::map<std::string, const v1::Class*>& by_name, const v1::Class& one) {
  int depth = 0;
  std::string parent = one.parent();
  while (depth < static_cast<int>(by_name.size())) {
    const auto found = by_name.find(absl::StrCat(one.pool(), "/", parent));
    if (parent.empty() || found == by_name.end()) break;
    parent = found->second->parent();
    ++depth;
  }
  return depth;
}

// `actual(class)` fills the column ACTUAL. When it gives nullopt, the table has no such column.
std::string ClassRows(const v1::ListClassesResponse& answer,
                      absl::FunctionRef<absl::optional<std::string>(const v1::Class&)> actual,
                      size_t columns) {
  std::map<std::string, const v1::Class*> by_name;
  for (const v1::Class& one : answer.class_()) {
    by_name[absl::StrCat(one.pool(), "/", one.name())] = &one;
  }
  std::vector<std::string> names = {"CLASS",      "RATE>",      "CEIL>",    "WEIGHT>?",
                                    "PRIO>?",     "MEMBERS>",   "WAITING>", "DELIVERED>",
                                    "BORROWED>?", "THROTTLED>?"};
  const bool rated = answer.class__size() > 0 && actual(answer.class_(0)).has_value();
  if (rated) names.insert(names.begin() + 3, "ACTUAL>");
  Table table(std::move(names));
  for (const v1::Class& one : answer.class_()) {
    std::vector<std::string> row = {
        absl::StrCat(std::string(2 * static_cast<size_t>(Depth(by_name, one)), ' '), one.pool(),
                     "/", one.name()),
        Rate(one.rate()),
        Rate(one.ceil()),
        WeightText(one),
        absl::StrCat(one.prio()),
        absl::StrCat(one.members(), one.waiting_members() > 0
                                        ? absl::StrCat(" (", one.waiting_members(), " wait)")
                                        : ""),
        ByteText(one.waiting_bytes()),
        ByteText(one.delivered_bytes()),
        ByteText(one.borrowed_bytes()),
        FormatDuration(one.throttled_seconds())};
    if (rated) row.insert(row.begin() + 3, *actual(one));
    table.Add(std::move(row));
  }
  return OrNone(table, columns);
}

// What becomes of an agent that is not attached, and what a person can do.
std::string NextAttempt(const v1::GetStatusResponse& status) {
  std::string text = "; it tries now";
  if (status.next_attempt_seconds() > 0) {
    text = absl::StrCat("; it tries again in ", FormatDuration(status.next_attempt_seconds()));
  }
  const absl::string_view remedy = ConnectionRemedy(status.last_error());
  return remedy.empty() ? text : absl::StrCat(text, "; ", remedy);
}

}  // namespace

std::string SourcesTable(const v1::ListSourcesResponse& answer, size_t columns) {
  Table table({"SOURCE", "DRIVER?", "GROUP?", "STATE", "RAW>?", "RATE>", "H/BYTE>", "RCT>", "APT>",
               "REPLAY>", "WHY|"});
  for (const v1::Source& source : answer.source()) {
    table.Add(
        {source.name(), source.driver(), source.group(),
         absl::StrCat(SourceStateName(source.state()), source.software() ? " (software)" : ""),
         ByteText(source.raw_bytes()), FormatRate(source.raw_bytes_per_second()),
         EntropyText(source.min_entropy_bits_per_byte()), absl::StrCat(source.rct_failures()),
         absl::StrCat(source.apt_failures()), absl::StrCat(source.lag_failures()),
         source.reason()});
  }
  return OrNone(table, columns);
}

std::string SourceText(const v1::Source& source, size_t columns) {
  v1::ListSourcesResponse one;
  *one.add_source() = source;
  Table history({"SINCE", "STATE", "WHY|"});
  for (const v1::Source::Event& event : source.history()) {
    history.Add({absl::FormatTime("%Y-%m-%d %H:%M:%SZ",
                                  absl::UnixEpoch() + absl::Seconds(event.unix_seconds()),
                                  absl::UTCTimeZone()),
                 std::string(SourceStateName(event.state())), event.reason()});
  }
  return absl::StrCat(SourcesTable(one, columns), "\n", OrNone(history, columns));
}

std::string PoolsTable(const v1::ListPoolsResponse& answer, size_t columns) {
  Table table({"POOL", "QUALITY", "STATE", "GROUPS>", "SEED>", "AGE>", "STORED>", "DELIVERED>",
               "SOURCES~", "WHY|"});
  for (const v1::Pool& pool : answer.pool()) {
    const bool drbg = pool.quality() == v1::QUALITY_DRBG;
    table.Add(
        {pool.name(), std::string(QualityName(pool.quality())),
         absl::StrCat(pool.ready() ? "ready" : "not ready", pool.degraded() ? ", degraded" : "",
                      pool.software_only() ? ", software only" : ""),
         absl::StrCat(pool.healthy_groups(), "/", pool.min_healthy_groups()),
         drbg ? absl::StrCat(pool.seed_generation()) : "-",
         drbg && std::isfinite(pool.seed_age_seconds()) ? FormatDuration(pool.seed_age_seconds())
                                                        : "-",
         drbg ? "-"
              : absl::StrCat(ByteText(pool.available_bytes()), " of ",
                             ByteText(pool.capacity_bytes())),
         ByteText(pool.delivered_bytes()), absl::StrJoin(pool.sources(), ","), pool.reason()});
  }
  return OrNone(table, columns);
}

std::string ClassesTable(const v1::ListClassesResponse& answer, size_t columns) {
  return ClassRows(
      answer, [](const v1::Class&) { return absl::nullopt; }, columns);
}

std::string ClassesTable(const v1::ListClassesResponse& answer,
                         const v1::ListClassesResponse& before, double seconds, size_t columns) {
  std::map<std::string, uint64_t> earlier;
  for (const v1::Class& one : before.class_()) {
    earlier[absl::StrCat(one.pool(), "/", one.name())] = one.delivered_bytes();
  }
  const auto actual = [&](const v1::Class& one) -> absl::optional<std::string> {
    const auto found = earlier.find(absl::StrCat(one.pool(), "/", one.name()));
    if (found == earlier.end() || found->second > one.delivered_bytes()) return "-";
    return FormatRate(static_cast<double>(one.delivered_bytes() - found->second) / seconds);
  };
  return ClassRows(answer, actual, columns);
}

std::string DifferencesTable(
    const google::protobuf::RepeatedPtrField<v1::ClassDifference>& differences, size_t columns,
    bool undone) {
  Table table({"CLASS", "KEY", undone ? "NOW>" : "CONFIGURED>", undone ? "WAS>" : "IN FORCE>",
               "SINCE", "BY~", "NOTE|"});
  for (const v1::ClassDifference& one : differences) {
    table.Add({absl::StrCat(one.pool(), "/", one.class_()), one.key(), OrDash(one.configured()),
               OrDash(one.in_force()), one.at(), one.by(), one.ignored()});
  }
  return OrNone(table, columns);
}

std::string ReloadText(const v1::ReloadServerResponse& answer) {
  std::string text = "the server uses what is on disk now";
  if (!answer.needs_restart().empty()) {
    absl::StrAppend(&text, ", except for these keys, which need a restart: ",
                    OneLine(absl::StrJoin(answer.needs_restart(), ", ")));
  } else if (answer.change().empty()) {
    absl::StrAppend(&text, ", and used it before");
  }
  for (const std::string& change : answer.change()) absl::StrAppend(&text, "\n", OneLine(change));
  return text + "\n";
}

std::string AgentReloadText(const v1::ReloadResponse& answer) {
  std::string text = absl::StrCat("the agent serves by ", OneLine(answer.config()), " now");
  if (answer.compared() && answer.change().empty())
    absl::StrAppend(&text, "; nothing has changed in it");
  for (const std::string& change : answer.change()) absl::StrAppend(&text, "\n", OneLine(change));
  return text + "\n";
}

std::string AgentsTable(const v1::ListAgentsResponse& answer, size_t columns) {
  Table table({"AGENT~", "PEER~", "SINCE>", "GUESTS>", "DELIVERED>", "UNCONFIRMED>?", "CLASSES|"});
  for (const v1::Agent& agent : answer.agent()) {
    std::vector<std::string> classes;
    for (const v1::Agent::Channel& channel : agent.channel()) {
      classes.push_back(
          channel.phase() != v1::PHASE_OPEN
              ? absl::StrCat(channel.class_(), " (", PhaseName(channel.phase()), ")")
          : channel.guests() > channel.max_weight() && channel.weight() == channel.max_weight()
              ? absl::StrCat(channel.class_(), " (weight ", channel.weight(), ", its most)")
              : channel.class_());
    }
    table.Add({absl::StrCat(agent.identity(), agent.draining() ? " (draining)" : ""), agent.peer(),
               FormatDuration(agent.connected_seconds()), absl::StrCat(agent.guests()),
               ByteText(agent.delivered_bytes()), ByteText(agent.unconfirmed_bytes()),
               absl::StrJoin(classes, ", ")});
  }
  return OrNone(table, columns);
}

std::string ByteText(uint64_t bytes) { return FormatSize(static_cast<double>(bytes)); }

std::string WaitText(double seconds) {
  if (seconds <= 0) return "-";
  if (seconds < 1e-3) return absl::StrFormat("%.0f us", seconds * 1e6);
  if (seconds < 1) return absl::StrFormat("%.1f ms", seconds * 1e3);
  return absl::StrFormat("%.1f s", seconds);
}

std::string GuestsTable(const v1::ListGuestsResponse& answer, size_t columns) {
  Table table({"ID>", "GUEST~", "UUID?", "PID>?", "CLASS~", "SINCE>?", "RATE>", "DELIVERED>",
               "REQUESTS>?", "P50>", "P99>", "THROTTLED>?", "WAITING>", "LISTENER~?"});
  for (const v1::Guest& guest : answer.guest()) {
    const bool unknown = guest.identified_by().empty() || guest.identified_by() == "none";
    table.Add({absl::StrCat(guest.id()),
               absl::StrCat(OrDash(guest.name()), unknown && guest.qemu() ? " (QEMU)" : ""),
               OrDash(guest.uuid()), guest.pid() == 0 ? "-" : absl::StrCat(guest.pid()),
               absl::StrCat(guest.class_(), Unserved(guest.class_mode()),
                            guest.class_refused().empty()
                                ? ""
                                : absl::StrCat(" (refused: ", guest.class_refused(), ")")),
               FormatDuration(guest.connected_seconds()), FormatRate(guest.rate()),
               ByteText(guest.delivered()), absl::StrCat(guest.requests()),
               WaitText(guest.wait_p50_seconds()), WaitText(guest.wait_p99_seconds()),
               WaitText(guest.throttled_seconds()), ByteText(guest.owed()), guest.listener()});
  }
  return OrNone(table, columns);
}

std::string AgentClassesTable(const v1::GetStatusResponse& answer, size_t columns) {
  Table table({"CLASS", "STATE", "SERVED BY", "QUALITY?", "BUFFER>", "TARGET>", "CONNECTIONS>",
               "WAITING>", "DELIVERED>", "REQUESTS>?", "ON LOSS?", "WHY|"});
  for (const auto& one : answer.class_()) {
    table.Add({one.class_(),
               absl::StrCat(PhaseName(one.phase()), one.degraded() ? ", degraded" : ""),
               ServedBy(one), std::string(QualityName(one.quality())), ByteText(one.buffer_level()),
               ByteText(one.buffer_target()), absl::StrCat(one.guests()), ByteText(one.owed()),
               ByteText(one.delivered()), absl::StrCat(one.requests()), one.on_upstream_loss(),
               one.reason()});
  }
  return OrNone(table, columns);
}

std::vector<std::string> ServerTroubles(const v1::ListPoolsResponse& pools,
                                        const v1::ListAgentsResponse& agents) {
  std::vector<std::string> troubles;
  if (agents.stopping()) {
    troubles.emplace_back("the server stops and serves nobody");
  } else if (agents.draining()) {
    troubles.push_back(absl::StrCat("the server drains and serves nobody",
                                    Because(agents.drain_reason()),
                                    "; entropyctl drain --end ends that"));
  }
  if (!agents.reload_problem().empty()) {
    troubles.push_back(absl::StrCat("the server's configuration on disk is not in use: ",
                                    agents.reload_problem()));
  }
  for (const v1::Pool& pool : pools.pool()) {
    if (!pool.ready()) {
      troubles.push_back(
          absl::StrCat("pool ", pool.name(), " is not ready", Because(pool.reason())));
    }
  }
  return troubles;
}

std::vector<std::string> ClassTroubles(const v1::GetStatusResponse& status) {
  std::vector<std::string> troubles;
  for (const auto& one : status.class_()) {
    if (!status.connected() || one.phase() == v1::PHASE_OPEN) continue;
    troubles.push_back(absl::StrCat("class ", one.class_(), " is ", PhaseName(one.phase()),
                                    Because(one.reason()), one.remedy().empty() ? "" : "; ",
                                    one.remedy()));
  }
  return troubles;
}

std::vector<std::string> AgentTroubles(const v1::GetStatusResponse& status) {
  std::vector<std::string> troubles;
  if (!status.certificate_problem().empty()) {
    troubles.push_back(
        absl::StrCat("the agent's certificate cannot be used: ", status.certificate_problem()));
  }
  if (!status.reload_problem().empty()) {
    troubles.push_back(
        absl::StrCat("the agent's configuration on disk is not in use: ", status.reload_problem(),
                     "; mend it and run `entropyctl agent reload`"));
  }
  if (!status.handover_problem().empty()) {
    troubles.push_back(
        absl::StrCat("no other process can take over from this agent: ", status.handover_problem(),
                     "; restart it before the next upgrade or reload"));
  }
  if (!status.http_problem().empty()) {
    troubles.push_back(absl::StrCat("the agent does not answer HTTP: ", status.http_problem(),
                                    "; tried again every second"));
  }
  for (const auto& one : status.listener()) {
    if (one.problem().empty()) continue;
    troubles.push_back(absl::StrCat("no guest can connect at ", one.path(), ": ", one.problem(),
                                    "; tried again every second"));
  }
  if (!status.connected()) {
    troubles.push_back(absl::StrCat("the agent is not attached to ", OrDash(status.server()),
                                    Because(status.last_error()), NextAttempt(status)));
  }
  for (const auto& one : status.class_()) {
    const absl::optional<ClassMode> mode = ParseClassMode(one.mode());
    if (mode == ClassMode::kLocal) {
      troubles.push_back(absl::StrCat("class ", one.class_(),
                                      " has been served by this host's own DRBG for ",
                                      FormatDuration(one.mode_seconds())));
    } else if (mode == ClassMode::kBlocked) {
      troubles.push_back(absl::StrCat("guests of class ", one.class_(), " have waited for ",
                                      FormatDuration(one.mode_seconds())));
    }
  }
  for (std::string& text : ClassTroubles(status)) troubles.push_back(std::move(text));
  return troubles;
}

std::vector<std::string> ServerWarnings(const v1::ListSourcesResponse& sources,
                                        const v1::ListPoolsResponse& pools,
                                        const v1::ListAgentsResponse& agents) {
  std::vector<std::string> warnings;
  if (!agents.needs_restart().empty()) {
    warnings.push_back(
        absl::StrCat("the server uses the values that it was started with of these keys, which "
                     "have changed on disk: ",
                     absl::StrJoin(agents.needs_restart(), ", "), "; restart it to use the new"));
  }
  for (const v1::Source& source : sources.source()) {
    if (source.state() != v1::SOURCE_STATE_HEALTHY) {
      warnings.push_back(absl::StrCat("source ", source.name(), " is ",
                                      SourceStateName(source.state()), Because(source.reason())));
    }
  }
  for (const v1::Pool& pool : pools.pool()) {
    if (pool.ready() && pool.degraded()) {
      warnings.push_back(
          absl::StrCat("pool ", pool.name(), " is degraded", Because(pool.reason())));
    }
    if (pool.software_only()) {
      warnings.push_back(absl::StrCat("pool ", pool.name(), " is fed by software only"));
    }
  }
  return warnings;
}

std::vector<std::string> AgentWarnings(const v1::GetStatusResponse& status) {
  std::vector<std::string> warnings;
  if (!status.memory_locked()) {
    warnings.emplace_back("the agent's secrets are not locked in memory; raise RLIMIT_MEMLOCK");
  }
  for (const auto& one : status.class_()) {
    if (one.degraded()) {
      warnings.push_back(
          absl::StrCat("class ", one.class_(), " is degraded", Because(one.reason())));
    }
    if (one.local_refused()) {
      warnings.push_back(absl::StrCat("class ", one.class_(),
                                      " would block although on_upstream_loss is local: its pool "
                                      "is of quality full"));
    }
  }
  return warnings;
}

}  // namespace entropyd
