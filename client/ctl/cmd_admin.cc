// `entropyctl sources|pools|classes|agents|drain|reload|agent upgrade`: one question each to Admin
// or AgentAdmin, answered as a table or as the message itself in JSON.
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/admin_client.h"
#include "client/agent_admin_client.h"
#include "client/ctl/await_agent.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/show/message_json.h"
#include "client/show/output.h"
#include "client/show/tables.h"
#include "client/slow_call.h"

namespace entropyd {
namespace {

// How servers end their refusal of a drain's end when there is none.
constexpr char kNoDrain[] = "the server does not drain";

// Gets the answer from `ask(admin)`, and prints it with `table(answer, columns)` or as JSON.
template <typename Ask, typename Table>
int AskServer(const ClientFlags& flags, bool json, Ask ask, Table table,
              int (*fail)(const absl::Status&) = FailServer) {
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  const auto answer = ask(**admin);
  if (!answer.ok()) return fail(answer.status());
  json ? PrintJson(JsonOf(*answer)) : Print(table(*answer, ScreenColumns()));
  return kExitOk;
}

// The taker opens the control socket once the giver has exited.
absl::StatusOr<v1::GetStatusResponse> AwaitNewAgent(const std::string& control) {
  const SlowCall::Tell tell = TellSlow;
  const SlowCall slow(tell, absl::StrCat("the new agent at ", control), kAnswerPatience);
  return AwaitAgent([&control] { return AgentAdminClient::Create(control)->GetStatus(); },
                    absl::Now, absl::SleepFor);
}

}  // namespace

int RunSources(const ClientFlags& flags, bool json) {
  return AskServer(
      flags, json, [](AdminClient& admin) { return admin.ListSources(); }, SourcesTable);
}

int RunPools(const ClientFlags& flags, bool json) {
  return AskServer(
      flags, json, [](AdminClient& admin) { return admin.ListPools(); }, PoolsTable);
}

int RunClasses(const ClientFlags& flags, const ClassesOptions& options, bool json) {
  v1::ListClassesResponse before;
  absl::Time asked;
  const bool rated = !json && options.seconds > 0;
  return AskServer(
      flags, json,
      [&](AdminClient& admin) {
        if (rated) {
          auto first = admin.ListClasses(options.pool);
          if (!first.ok()) return first;
          before = *std::move(first);
          asked = absl::Now();
          absl::SleepFor(absl::Seconds(options.seconds));
        }
        return admin.ListClasses(options.pool);
      },
      [&](const v1::ListClassesResponse& answer, size_t columns) {
        return rated ? ClassesTable(answer, before, absl::ToDoubleSeconds(absl::Now() - asked),
                                    columns)
                     : ClassesTable(answer, columns);
      });
}

int RunAgents(const ClientFlags& flags, bool json) {
  return AskServer(
      flags, json, [](AdminClient& admin) { return admin.ListAgents(); }, AgentsTable);
}

int RunDrain(const ClientFlags& flags, const DrainOptions& options, bool json) {
  v1::DrainRequest request;
  request.set_end(options.end);
  request.set_identity(options.identity);
  request.set_reason(options.reason);
  request.set_deadline_seconds(options.deadline_seconds);
  bool refused = false, idle = false;
  const int status = AskServer(
      flags, json,
      [&](AdminClient& admin) {
        auto answer = admin.Drain(request);
        refused = absl::IsFailedPrecondition(answer.status());
        // What was wished for is so already.
        idle = refused && request.end() && absl::EndsWith(answer.status().message(), kNoDrain);
        return idle ? absl::StatusOr<v1::DrainResponse>(v1::DrainResponse()) : answer;
      },
      [&](const v1::DrainResponse& answer, size_t) -> std::string {
        if (idle) return "the server does not drain: there is nothing to end\n";
        if (request.end()) return "the server takes agents again\n";
        return absl::StrCat(answer.sessions(), answer.sessions() == 1 ? " agent" : " agents",
                            " told to attach to another server\n");
      });
  // The server stops: the command line and the configuration are right.
  return refused && !idle ? kExitRuntime : status;
}

int RunReload(const ClientFlags& flags, bool json) {
  bool whole = true;
  const int status = AskServer(
      flags, json,
      [&](AdminClient& admin) {
        auto answer = admin.Reload();
        whole = !answer.ok() || answer->needs_restart().empty();
        return answer;
      },
      [](const v1::ReloadServerResponse& answer, size_t) { return ReloadText(answer); },
      FailServerFiles);
  return status == kExitOk && !whole ? kExitUnhealthy : status;
}

int RunAgentUpgrade(const ClientFlags& flags, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  const auto answer = DialAgent(config->control())->Upgrade();
  if (!answer.ok()) return FailAgent(answer.status(), config->control());
  if (const auto up = AwaitNewAgent(config->control()); !up.ok())
    return FailAgent(up.status(), config->control());
  json ? PrintJson(JsonOf(*answer))
       : Print(absl::StrCat("agent ", OneLine(answer->version_before()), " handed its guests to ",
                            OneLine(answer->version()), "\n"));
  return kExitOk;
}

int RunAgentReload(const ClientFlags& flags, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  const auto answer = DialAgent(config->control())->Reload();
  if (!answer.ok()) return FailAgentFiles(answer.status(), config->control());
  const auto up = AwaitNewAgent(config->control());
  if (!up.ok()) return FailAgent(up.status(), config->control());
  json ? PrintJson(JsonOf(*answer)) : Print(AgentReloadText(*answer));
  const std::vector<std::string> troubles = ClassTroubles(*up);
  for (const std::string& text : troubles) std::cerr << OneLine("UNHEALTHY: " + text) << "\n";
  return troubles.empty() ? kExitOk : kExitUnhealthy;
}

}  // namespace entropyd
