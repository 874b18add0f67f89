// `entropyctl status`: server and agent at a glance, and a verdict for scripts.
#include <sys/stat.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "base/config/units.h"
#include "client/admin_client.h"
#include "client/agent_admin_client.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/show/json_text.h"
#include "client/show/message_json.h"
#include "client/show/output.h"
#include "client/show/tables.h"

namespace entropyd {
namespace {

constexpr char kNoServer[] =
    "  no server was asked, because no certificate is configured; to ask one: --server, --cert, "
    "--key "
    "and --ca, or ENTROPYD_* or client.yaml\n";

struct ServerAnswers {
  v1::ListSourcesResponse sources;
  v1::ListPoolsResponse pools;
  v1::ListClassesResponse classes;
  v1::ListAgentsResponse agents;
};

absl::StatusOr<ServerAnswers> AskServer(const config::v1::Client& config) {
  const auto admin = AdminClient::Create(config.server(), config.tls(), absl::Now(),
                                         AdminClient::kDefaultTimeout, TellSlow);
  // Of our own files, and no answer of a server.
  if (!admin.ok()) return Misconfigured(admin.status());
  auto sources = (*admin)->ListSources();
  if (!sources.ok()) return sources.status();
  auto pools = (*admin)->ListPools();
  if (!pools.ok()) return pools.status();
  auto classes = (*admin)->ListClasses("");
  if (!classes.ok()) return classes.status();
  auto agents = (*admin)->ListAgents();
  if (!agents.ok()) return agents.status();
  return ServerAnswers{*std::move(sources), *std::move(pools), *std::move(classes),
                       *std::move(agents)};
}

// The answers of server and agent, as far as they were asked, and what is wrong with them.
struct Findings {
  absl::optional<absl::StatusOr<ServerAnswers>> server;
  absl::optional<absl::StatusOr<v1::GetStatusResponse>> agent;
  std::vector<std::string> troubles;
  std::vector<std::string> warnings;
};

void Append(std::vector<std::string> from, std::vector<std::string>* to) {
  for (std::string& text : from) to->push_back(std::move(text));
}

// Asks the server when the client has a certificate. Asks the agent when its socket exists, when
// the user named the socket, or when there is no server to ask.
Findings Find(const ClientFlags& flags, const config::v1::Client& config) {
  Findings found;
  if (!config.tls().cert().empty()) found.server = AskServer(config);
  struct stat info;
  const bool control_named = !flags.control.empty();
  if (control_named || !found.server.has_value() || stat(config.control().c_str(), &info) == 0) {
    found.agent = DialAgent(config.control())->GetStatus();
  }
  if (found.server.has_value() && found.server->ok()) {
    Append(ServerTroubles((*found.server)->pools, (*found.server)->agents), &found.troubles);
    Append(
        ServerWarnings((*found.server)->sources, (*found.server)->pools, (*found.server)->agents),
        &found.warnings);
  }
  if (found.agent.has_value() && found.agent->ok()) {
    Append(AgentTroubles(**found.agent), &found.troubles);
    Append(AgentWarnings(**found.agent), &found.warnings);
  }
  return found;
}

void PrintServer(const std::string& name, const ServerAnswers& server) {
  const size_t columns = ScreenColumns();
  Print(absl::StrCat("server ", OneLine(name), "\n\n", SourcesTable(server.sources, columns), "\n",
                     PoolsTable(server.pools, columns), "\n", ClassesTable(server.classes, columns),
                     "\n", "agents attached: ", server.agents.agent_size(), "\n\n"));
}

void PrintAgent(const std::string& control, const v1::GetStatusResponse& agent) {
  const size_t columns = ScreenColumns();
  Print(absl::StrCat(Sentence(absl::StrCat("agent ", control, ": version ", agent.version(),
                                           ", up ", FormatDuration(agent.uptime_seconds()), ", ",
                                           agent.connected() ? "attached to " : "NOT ATTACHED to ",
                                           agent.server(), ", ", agent.reconnects(),
                                           agent.reconnects() == 1 ? " reconnect" : " reconnects"),
                              columns),
                     "\n\n", AgentClassesTable(agent, columns), "\n"));
  if (agent.certificate_expires() > 0) {
    std::cout << "certificate valid until "
              << absl::FormatTime("%Y-%m-%d %H:%M:%SZ",
                                  absl::FromUnixSeconds(agent.certificate_expires()),
                                  absl::UTCTimeZone())
              << "\n";
  }
  for (const auto& listener : agent.listener()) {
    std::string line = absl::StrCat("listener ", listener.path(), " -> ", listener.class_());
    // A pipe has no connections.
    if (!listener.path().starts_with("fifo:")) {
      absl::StrAppend(&line, ", clients: ", listener.clients(), ", identify: ", listener.identify(),
                      ", ", listener.connections(), " connected");
    }
    Print(Sentence(line, columns) + "\n");
  }
  if (agent.listener_size() > 0) std::cout << "\n";
}

void PrintEach(absl::string_view kind, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    Print(Sentence(absl::StrCat(kind, text), ScreenColumns()) + "\n");
  }
}

bool IsSilent(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// Who was asked and has given no answer.
std::vector<std::string> Failures(const Findings& found) {
  std::vector<std::string> failures;
  const auto add = [&failures](absl::string_view who, const absl::Status& status) {
    failures.push_back(absl::StrCat(
        who, IsSilent(status) ? " does not answer: " : " refuses: ", status.message()));
  };
  if (found.server.has_value() && !found.server->ok()) add("the server", found.server->status());
  if (found.agent.has_value() && !found.agent->ok()) add("the agent", found.agent->status());
  return failures;
}

void PrintFailure(absl::string_view who, const absl::Status& status) {
  Print(absl::StrCat(IsSilent(status) ? "NO ANSWER: " : "REFUSED: ", who, "\n"));
}

template <typename Texts>
std::string TextsJson(const Texts& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(JsonString(text));
  return JsonArray(quoted);
}

std::string Json(const Findings& found, bool healthy) {
  JsonObject json;
  json.Set("healthy", healthy);
  std::vector<std::string> troubles, warnings;
  for (const std::string& text : found.troubles) troubles.push_back(JsonString(text));
  for (const std::string& text : Failures(found)) troubles.push_back(JsonString(text));
  for (const std::string& text : found.warnings) warnings.push_back(JsonString(text));
  json.SetRaw("troubles", JsonArray(troubles)).SetRaw("warnings", JsonArray(warnings));
  if (found.server.has_value() && found.server->ok()) {
    const ServerAnswers& server = **found.server;
    json.SetRaw("sources", JsonListOf(server.sources)).SetRaw("pools", JsonListOf(server.pools));
    json.SetRaw("classes", JsonListOf(server.classes)).SetRaw("agents", JsonListOf(server.agents));
    json.Set("draining", server.agents.draining()).Set("stopping", server.agents.stopping());
    json.Set("drain_reason", server.agents.drain_reason());
    json.Set("reload_problem", server.agents.reload_problem());
    json.SetRaw("needs_restart", TextsJson(server.agents.needs_restart()));
  }
  if (found.agent.has_value() && found.agent->ok()) json.SetRaw("agent", JsonOf(**found.agent));
  return json.ToString();
}

}  // namespace

int RunStatus(const ClientFlags& flags, bool json) {
  const absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  const Findings found = Find(flags, *config);
  const bool server_failed = found.server.has_value() && !found.server->ok();
  const bool agent_failed = found.agent.has_value() && !found.agent->ok();
  const bool healthy = found.troubles.empty() && !server_failed && !agent_failed;

  if (json) {
    PrintJson(Json(found, healthy));
  } else {
    if (found.server.has_value() && found.server->ok())
      PrintServer(config->server(), **found.server);
    if (found.agent.has_value() && found.agent->ok()) PrintAgent(config->control(), **found.agent);
    PrintEach("warning: ", found.warnings);
    PrintEach("UNHEALTHY: ", found.troubles);
    // Why, and what to do about it, is on the standard error.
    if (server_failed) PrintFailure("the server", found.server->status());
    if (agent_failed) PrintFailure("the agent", found.agent->status());
    if (healthy) Print("healthy\n");
  }
  int result = found.troubles.empty() ? kExitOk : kExitUnhealthy;
  if (agent_failed) result = FailAgent(found.agent->status(), config->control());
  if (agent_failed && !found.server.has_value() && !json) std::cerr << kNoServer;
  if (server_failed) result = FailServer(found.server->status());
  return result;
}

}  // namespace entropyd
