// entropyd: the datacenter entropy server.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/config/config.h"
#include "base/config/log_config.h"
#include "base/crypto/handshake_watch.h"
#include "base/crypto/openssl_memory.h"
#include "base/crypto/tls.h"
#include "base/process/bounded_write.h"
#include "base/process/clock.h"
#include "base/process/end_process.h"
#include "base/process/fd.h"
#include "base/process/harden_process.h"
#include "base/process/lock_memory.h"
#include "base/process/malloc_pages.h"
#include "base/process/ports_file.h"
#include "base/process/standard_output.h"
#include "base/process/state_dir.h"
#include "base/telemetry/log.h"
#include "base/telemetry/log_writer.h"
#include "base/telemetry/process_metrics.h"
#include "base/text/command_line.h"
#include "base/text/names.h"
#include "base/wire/grpc_log.h"
#include "proto/agent_config.pb.h"
#include "proto/server_config.pb.h"
#include "server/await_plan.h"
#include "server/classes/class_state_file.h"
#include "server/door_config.h"
#include "server/server.h"
#include "server/service_report.h"

namespace entropyd {
namespace {

constexpr int kExitRuntime = 1;
constexpr int kExitConfig = 2;

struct Flags {
  std::string config = "/etc/entropyd/server.yaml";
  std::string ports_file;
  bool check_config = false;
  bool describe_config = false;
};

// What main() has done before there was a log.
struct Prepared {
  // The names of environment variables.
  std::vector<std::string> cleared;
  // Whether all memory of the process is locked, or why not.
  absl::Status locked;
};

int Fail(int exit_status, const absl::Status& status) {
  // It may repeat what stands in a file, or in a certificate.
  const std::string told = EscapeControls(status.message(), "\n\t");
  WriteWithin(STDERR_FILENO, absl::StrCat("entropyd: ", told, "\n"), LogWriter::kEndPatience);
  return exit_status;
}

int Say(const std::string& text) {
  const absl::Status written = WriteToStandardOutput(text);
  return written.ok() ? 0 : Fail(kExitRuntime, written);
}

absl::StatusOr<ServerPlan> LoadPlan(const std::string& path, const Clock& clock,
                                    ServerPlan::Supplied supplied) {
  config::v1::Server config;
  config::Locations locations;
  absl::Status loaded = config::Load(path, &config, &locations);
  if (!loaded.ok()) return loaded;
  return ServerPlan::Check(std::move(config), std::move(locations), clock, supplied);
}

// Only main() waits for signals. Every thread made later inherits the mask.
sigset_t BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // The last two mean nothing here, and would end the service.
  for (const int signal : {SIGPIPE, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  return set;
}

// Returns when the server must end.
void ServeUntilSignal(Server* server, const sigset_t& signals, ServiceReport* report, Log* log) {
  // How stale grpc.health.v1 may be, and how late a changed file is noticed: a peer who is revoked
  // has to be gone within two seconds.
  const timespec tick = {.tv_sec = 0, .tv_nsec = 500'000'000};
  // Who asks for a reload has written the configuration: a shorter rest is enough.
  const timespec soon = {.tv_sec = 0, .tv_nsec = 100'000'000};
  while (true) {
    const int signal = sigtimedwait(&signals, nullptr, server->reload_awaited() ? &soon : &tick);
    if (signal == SIGTERM || signal == SIGINT) {
      log->Info("server.stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return;
    }
    if (signal == SIGHUP) {
      report->Reloading();
      server->Reload("SIGHUP", [report] { report->Reloaded(); });
    }
    server->Tick();
    report->Tick(server->Alive().ok(), [server] { return server->Summary(); });
  }
}

// A start whose certificate cannot be used yet waits for it. Errors: CANCELLED after SIGTERM.
absl::StatusOr<ServerPlan> Await(const absl::Status& why, const Flags& flags, const Clock& clock,
                                 const sigset_t& signals, Log* log) {
  ServiceReport report(&clock);
  std::string reason;
  const auto load = [&] {
    return LoadPlan(flags.config, clock, ServerPlan::Supplied::kFromNothing);
  };
  const auto rest = [&] {
    report.Waiting(reason);
    const timespec second = {.tv_sec = 1, .tv_nsec = 0};
    const int signal = sigtimedwait(&signals, nullptr, &second);
    return signal != SIGTERM && signal != SIGINT;
  };
  const auto tell = [&](const absl::Status& fault) {
    reason = std::string(fault.message());
    log->Error("server.waiting", {{"reason", absl::Status(fault.code(), fault.message())},
                                  {"remedy", "mend it: the server starts as soon as it can"}});
  };
  return AwaitPlan(why, load, rest, tell);
}

// Every way out of a server that has started. Returns the exit status for `why`.
int End(std::unique_ptr<Server> server, const absl::Status& why, Log* log) {
  const bool ended = server->Stop();
  if (why.ok()) log->Info("server.stopped");
  log->Flush();  // what comes before the last words
  const int exit_status = why.ok() ? 0 : Fail(kExitRuntime, why);
  // A thread that its device keeps would find nothing here any more, or keep us.
  if (!ended) EndProcess(exit_status);
  return exit_status;
}

int Serve(const Flags& flags, const Prepared& prepared, ServerPlan plan, const Clock& clock,
          const sigset_t& signals, Log* log) {
  // The configuration that was waited for may ask for more than the one that was read first.
  if (!prepared.locked.ok() && plan.config.strict_memory()) {
    return Fail(kExitRuntime, prepared.locked);
  }
  ConfigureLog(plan.config.log(), log);
  const std::string state = ClassStatePath(plan.config.state_dir());
  if (!plan.config.state_dir().empty() && IsEmptyFile(state)) {
    log->Warning(
        "state.empty",
        {{"path", state}, {"remedy", "none needed: the classes have the figures of server.yaml"}});
  }
  GrpcLines grpc_lines(log, &clock);
  SendGrpcLogTo(&grpc_lines);
  tls::RequireExaminer(true);
  const std::string listen = plan.config.listen();
  Reloading reloading = {
      .load = [&flags,
               &clock] { return LoadPlan(flags.config, clock, ServerPlan::Supplied::kRunning); },
      .config_path = flags.config};
  std::unique_ptr<Server> hanging;
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(std::move(plan), &clock, log, std::move(reloading), &hanging);
  if (!server.ok()) {
    log->Flush();  // what comes before the last words
    // A thread that a device keeps may still use what is here, and `hanging` would wait for it.
    EndProcess(Fail(kExitRuntime, server.status()));
  }
  ExportMemoryLocked(prepared.locked.ok(), (*server)->metrics());
  if (!flags.ports_file.empty()) {
    const absl::Status written = WritePortsFile(
        flags.ports_file, {{"grpc", (*server)->grpc_port()}, {"http", (*server)->http_port()}});
    if (!written.ok()) return End(*std::move(server), written, log);
  }
  log->Info("server.listening", {{"grpc", listen},
                                 {"grpc_port", (*server)->grpc_port()},
                                 {"http_port", (*server)->http_port()},
                                 {"version", ENTROPYD_VERSION}});
  ServiceReport report(&clock);
  report.Serving();
  ServeUntilSignal(server->get(), signals, &report, log);
  report.Stopping();
  return End(*std::move(server), absl::OkStatus(), log);
}

int Run(const Flags& flags, Prepared prepared) {
  if (flags.describe_config) {
    return Say(config::Describe(config::v1::Server::descriptor()));
  }
  const SystemClock clock;
  config::v1::Server config;
  config::Locations locations;
  absl::Status loaded = config::Load(flags.config, &config, &locations);
  if (!loaded.ok()) {
    config::v1::HostAgent agent;
    loaded = config::OrMeant(loaded, flags.config, &agent,
                             "this looks like agent.yaml; entropyd reads server.yaml");
    return Fail(kExitConfig, config::OrGive(loaded, "--config"));
  }
  // Check() reads the private key.
  prepared.locked = LockMemory();
  if (!prepared.locked.ok() && config.strict_memory() && !flags.check_config) {
    return Fail(kExitRuntime, prepared.locked);
  }
  const config::v1::LogConfig log_config = config.log();
  absl::StatusOr<ServerPlan> plan =
      ServerPlan::Check(std::move(config), std::move(locations), clock);
  if (!plan.ok() && (flags.check_config || !ServerPlan::TimeMayMend(plan.status()))) {
    // What this machine lacks now is no fault of the configuration; the check says what it is.
    const bool later = !flags.check_config && absl::IsUnavailable(plan.status());
    return Fail(later ? kExitRuntime : kExitConfig, plan.status());
  }
  if (flags.check_config) {
    for (const std::vector<std::string>* warnings : {&plan->warnings, &plan->supply_warnings}) {
      for (const std::string& warning : *warnings) {
        fprintf(stderr, "entropyd: warning: %s\n", EscapeControls(warning, "\n\t").c_str());
      }
    }
    return Say(absl::StrCat(flags.config, ": configuration OK\n"));
  }
  if (absl::Status status = tls::RequireTls13(); !status.ok()) return Fail(kExitConfig, status);
  const sigset_t signals = BlockSignals();
  Log log(&clock);
  ConfigureLog(log_config, &log);
  TellCleared(prepared.cleared, &log);
  if (!prepared.locked.ok()) log.Warning("memory.unlocked", {{"reason", prepared.locked}});
  if (!plan.ok()) plan = Await(plan.status(), flags, clock, signals, &log);
  if (plan.ok()) return Serve(flags, prepared, *std::move(plan), clock, signals, &log);
  log.Info("server.stopped", {{"reason", plan.status()}});
  return 0;
}

int Main(int argc, char** argv) {
  OpenStandardFds();
  // The TSS would write lines of its own to stderr. Our log has the same messages with the source's
  // name. This must run before any thread is made. An operator who wants the lines sets the
  // variable.
  setenv("TSS2_LOG", "all+NONE", 0);
  Prepared prepared;
  prepared.cleared = ClearGrpcVariables();
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  KeepFreedPages();
  absl::Status guarded = HardenProcess();
  if (guarded.ok()) guarded = GuardOpenSslMemory(kServerSecureHeapBytes);
  if (!guarded.ok()) return Fail(kExitRuntime, guarded);
  Flags flags;
  CLI::App app("Divides hardware entropy among the hosts of a datacenter.", "entropyd");
  app.formatter(std::make_shared<HelpFormatter>());
  app.add_option("--config", flags.config, "configuration file")
      ->envname("ENTROPYD_SERVER_CONFIG")
      ->capture_default_str();
  app.add_flag("--check-config", flags.check_config, "check the configuration and exit");
  app.add_flag("--describe-config", flags.describe_config,
               "print every configuration key with its default and exit");
  app.add_option("--ports-file", flags.ports_file,
                 "write grpc=PORT and http=PORT into this file once both listen");
  app.set_version_flag("--version", "entropyd " ENTROPYD_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const LastAnswer answer = AnswerTo(app, error);
    if (!answer.wrong_usage) return Say(answer.text);
    fputs(answer.text.c_str(), stderr);
    return kExitConfig;
  }
  const char* const old = getenv("ENTROPYD_CONFIG");
  if (app["--config"]->empty() && old != nullptr && *old != '\0') {
    fputs("entropyd: warning: ENTROPYD_CONFIG is entropyctl's; call it ENTROPYD_SERVER_CONFIG\n",
          stderr);
    flags.config = old;
  }
  return Run(flags, std::move(prepared));
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { entropyd::EndProcess(entropyd::Main(argc, argv)); }
