#include "client/demo/demo_stack.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "client/pki/pki.h"
#include "client/process/whole_file.h"

namespace entropyd {
namespace {

// The server is ready once it listens, the agent once its sockets are there: both within a second
// on an idle machine.
constexpr absl::Duration kStartLimit = absl::Seconds(30);
// What both promise to need at most after SIGTERM.
constexpr absl::Duration kStopGrace = absl::Seconds(5);
// The demo's certificates outlive any demo, but not by much: their keys lie in /tmp.
constexpr absl::Duration kCertificateValidity = absl::Hours(7 * 24);
// Enough of a log to see why a daemon died.
constexpr int kLastWords = 8;

// Beside this program, so that a build tree works uninstalled; else wherever PATH leads.
std::string FindProgram(absl::string_view name) {
  const std::string beside = absl::StrCat(OwnDirectory(), "/", name);
  return access(beside.c_str(), X_OK) == 0 ? beside : std::string(name);
}

absl::Status MakeCertificates(const DemoPaths& paths) {
  const absl::Time now = absl::Now();
  absl::Status made =
      pki::Init(paths.pki, {.common_name = kDemoAuthority, .validity = kCertificateValidity}, now);
  if (!made.ok()) return made;
  const pki::IssueRequest requests[] = {
      {.name = "server", .spiffe_id = kDemoServerId, .dns_names = {"localhost"}},
      {.name = "agent", .spiffe_id = kDemoAgentId},
      {.name = "operator", .spiffe_id = kDemoOperatorId},
  };
  for (pki::IssueRequest request : requests) {
    request.validity = kCertificateValidity;
    if (const auto issued = pki::Issue(paths.pki, request, now); !issued.ok()) {
      return issued.status();
    }
  }
  return absl::OkStatus();
}

absl::Status WriteServerFiles(const DemoPaths& paths, const DemoSources& sources) {
  if (absl::Status made = MakeCertificates(paths); !made.ok()) return made;
  if (mkdir(paths.state_dir.c_str(), 0700) != 0) {
    return ErrnoStatus(errno, absl::StrCat("make ", paths.state_dir));
  }
  return WriteFile(paths.server_yaml, DemoServerYaml(paths, sources), 0600);
}

}  // namespace

// The logs go with the demo's directory, so messages hold what the user has to know of them.
std::string DemoStack::LastWordsOf(const Daemon& daemon) {
  const std::string words = LastLines(daemon.log, kLastWords);
  if (words.empty()) return absl::StrCat("; ", daemon.program, " has written no message");
  return absl::StrCat("; the last messages of ", daemon.program, ":\n  ",
                      absl::StrReplaceAll(words, {{"\n", "\n  "}}));
}

std::string DemoStack::LastWords() const {
  return absl::StrCat(LastWordsOf(server_), LastWordsOf(agent_));
}

absl::Status DemoStack::CheckDaemon(Daemon& daemon) {
  const absl::optional<std::string> exited = daemon.child->Exited();
  if (!exited.has_value()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(daemon.program, " ", *exited, LastWordsOf(daemon)));
}

absl::StatusOr<std::string> DemoStack::StartDaemon(Daemon& daemon, const std::string& config,
                                                   const std::string& ports,
                                                   const std::function<bool()>& cancelled) {
  // Followed: the agent replaces itself when somebody upgrades it or changes its configuration.
  absl::StatusOr<std::unique_ptr<ChildProcess>> child = ChildProcess::StartFollowed(
      {FindProgram(daemon.program), "--config", config, "--ports-file", ports}, daemon.log);
  if (!child.ok()) {
    return absl::Status(child.status().code(),
                        absl::StrCat(child.status().message(), "; it belongs beside entropyctl in ",
                                     OwnDirectory(), " or in PATH"));
  }
  daemon.child = *std::move(child);
  const absl::Time deadline = absl::Now() + kStartLimit;
  while (absl::Now() < deadline) {
    if (absl::Status alive = CheckDaemon(daemon); !alive.ok()) return alive;
    if (cancelled()) return absl::CancelledError("start demo: interrupted");
    absl::StatusOr<std::string> text = ReadFile(ports);
    if (text.ok() && PortNamed(*text, "http") != 0) return text;
    daemon.child->ExitedBy(absl::Now() + absl::Milliseconds(20));
  }
  return absl::DeadlineExceededError(absl::StrCat(daemon.program, " is not ready after ",
                                                  absl::FormatDuration(kStartLimit),
                                                  LastWordsOf(daemon)));
}

absl::StatusOr<std::unique_ptr<DemoStack>> DemoStack::Start(
    const DemoPaths& paths, const DemoSources& sources, const std::function<bool()>& cancelled) {
  if (absl::Status written = WriteServerFiles(paths, sources); !written.ok()) return written;
  std::unique_ptr<DemoStack> stack(new DemoStack(paths));
  absl::StatusOr<std::string> ports =
      stack->StartDaemon(stack->server_, paths.server_yaml, paths.server_ports, cancelled);
  if (!ports.ok()) return ports.status();
  stack->server_grpc_port_ = PortNamed(*ports, "grpc");
  stack->server_http_port_ = PortNamed(*ports, "http");

  const uint16_t port = stack->server_grpc_port_;
  absl::Status written =
      WriteFile(paths.agent_yaml, DemoAgentYaml(paths, port, /*http_port=*/0), 0600);
  if (written.ok()) written = WriteFile(paths.client_yaml, DemoClientYaml(paths, port), 0600);
  if (!written.ok()) return written;
  ports = stack->StartDaemon(stack->agent_, paths.agent_yaml, paths.agent_ports, cancelled);
  if (!ports.ok()) return ports.status();
  stack->agent_http_port_ = PortNamed(*ports, "http");
  // Its successors answer at the address that was printed.
  written = WriteFile(paths.agent_yaml, DemoAgentYaml(paths, port, stack->agent_http_port_), 0600);
  if (!written.ok()) return written;
  return stack;
}

absl::Status DemoStack::Check() {
  absl::Status server = CheckDaemon(server_);
  return server.ok() ? CheckDaemon(agent_) : server;
}

absl::Status DemoStack::Stop() {
  absl::Status result;
  for (Daemon* daemon : {&agent_, &server_}) {
    daemon->child->Stop(kStopGrace);
    if (!daemon->child->Succeeded() && result.ok()) {
      result = absl::InternalError(absl::StrCat(
          daemon->program, " did not end in order after SIGTERM: ", *daemon->child->Exited(),
          LastWordsOf(*daemon)));
    }
  }
  return result;
}

}  // namespace entropyd
