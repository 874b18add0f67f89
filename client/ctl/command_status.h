// How a command of entropyctl ends: its exit status, and its message on standard error. It also
// connects to the program that the command asks: the server of the configuration, or this host's
// agent.
//
//   const auto admin = DialAdmin(flags);
//   if (!admin.ok()) return Fail(admin.status());
//   const auto pools = (*admin)->ListPools();
//   if (!pools.ok()) return FailServer(pools.status());
//
// Errors: Misconfigured(), of LoadClient() and DialAdmin(). The Fail… functions report those of
// others, and add what to check.
//
// Thread safety: belongs to the thread that runs the command, but for TellSlow(), which is safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/admin_client.h"
#include "client/agent_admin_client.h"
#include "client/client_config.h"
#include "proto/client_config.pb.h"

namespace entropyd {

enum ExitStatus : int {
  kExitOk = 0,
  kExitRuntime = 1,
  kExitUsage = 2,
  kExitUnhealthy = 3,
  kExitUnreachable = 69,  // EX_UNAVAILABLE of sysexits.h
};

// From now on errors are JSON, too: {"error":{"code":…,"message":…,"exit_status":…}}.
void ReportErrorsAsJson();
// Prints "entropyctl: CODE: MESSAGE" on standard error and returns the exit status for its code.
int Fail(const absl::Status& status);
// The same after a call to a server or agent. Adds what to check when it does not answer. An error
// that a server answers is not such a case, even if it says that it cannot do it now.
int FailServer(const absl::Status& status);
// `control` is the agent's socket, which this looks at to say what is wrong.
int FailAgent(const absl::Status& status, const std::string& control);
// The same after a call that has them read their files: one that is missing or may not be read is
// as wrong as one that is broken.
int FailServerFiles(const absl::Status& status);
int FailAgentFiles(const absl::Status& status, const std::string& control);
// The same for a file that the command line names.
int FailFile(const absl::Status& status);
// Says on standard error who has not answered yet, and how long that may take. Nothing when errors
// are JSON: a script knows its own patience.
void TellSlow(absl::string_view whom, absl::Duration limit);

// Makes any error an error of the configuration: a missing file is as wrong as a broken one.
absl::Status Misconfigured(const absl::Status& status);

// The client's configuration: flags win over the environment, and that over client.yaml. Its
// errors are Misconfigured().
absl::StatusOr<config::v1::Client> LoadClient(const ClientFlags& flags);

// A client for the Admin of the configured server. Does not connect yet. Errors: Misconfigured().
absl::StatusOr<std::unique_ptr<AdminClient>> DialAdmin(const ClientFlags& flags);
// A client for the agent with that control socket.
std::unique_ptr<AgentAdminClient> DialAgent(const std::string& control);

}  // namespace entropyd
