// entropyd-hostagent: gets entropy for the guests of this host from a server and gives it to them
// over EGD.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/config/config.h"
#include "base/config/log_config.h"
#include "base/crypto/openssl_memory.h"
#include "base/crypto/tls.h"
#include "base/process/bounded_write.h"
#include "base/process/clock.h"
#include "base/process/descriptor_limit.h"
#include "base/process/end_process.h"
#include "base/process/fd.h"
#include "base/process/harden_process.h"
#include "base/process/lock_memory.h"
#include "base/process/malloc_pages.h"
#include "base/process/ports_file.h"
#include "base/process/standard_output.h"
#include "base/telemetry/log.h"
#include "base/telemetry/log_writer.h"
#include "base/telemetry/metrics.h"
#include "base/telemetry/process_metrics.h"
#include "base/text/command_line.h"
#include "base/text/names.h"
#include "base/wire/grpc_log.h"
#include "hostagent/agent.h"
#include "hostagent/agent_config.h"
#include "hostagent/descriptor_check.h"
#include "hostagent/handover/last_words.h"
#include "hostagent/loop/fd_watch.h"
#include "hostagent/service_manager.h"
#include "proto/agent_config.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd {
namespace {

enum ExitCode { kOk = 0, kRuntime = 1, kUsage = 2 };

struct Flags {
  std::string config = "/etc/entropyd/agent.yaml";
  std::string ports_file;
  bool check = false;
  bool describe = false;
  bool take_over = false;
  bool linger = false;
  std::vector<std::string> successor;  // the command that starts this program to take over
  int last_words = -1;                 // takes the reason of a failure (LastWords)
};

// What main() has done before there was a log.
struct Prepared {
  std::vector<std::string> cleared;  // the names of environment variables
  absl::Status locked;               // whether all memory of the process is, or why not
};

constexpr char kTakeOver[] = "--take-over";

// This command line with --take-over. It names the program by its present path, because
// /proc/self/exe would be the deleted file after a package upgrade.
std::vector<std::string> SuccessorCommand(int argc, char** argv) {
  std::vector<std::string> command(argv, argv + argc);
  std::error_code error;
  const std::filesystem::path program =
      command[0].find('/') != std::string::npos
          ? std::filesystem::absolute(command[0], error)
          : std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  command[0] = program.string();
  for (const std::string& word : command) {
    if (word == kTakeOver) return command;
  }
  command.push_back(kTakeOver);
  return command;
}

ExitCode Fail(const Flags& flags, ExitCode code, const absl::Status& status) {
  // It may repeat what stands in a file, or in a certificate.
  const std::string told = EscapeControls(status.message(), "\n\t");
  WriteWithin(STDERR_FILENO, absl::StrCat("entropyd-hostagent: ", told, "\n"),
              LogWriter::kEndPatience);
  WriteLastWords(flags.last_words, status.message());
  return code;
}

// Signals as events of the loop.
class Signals final : public EventLoop::Handler {
 public:
  Signals(Agent* agent, ServiceManager* manager)
      : agent_(agent), manager_(manager), watch_(agent->loop(), this) {}

  // REQUIRES: no thread of the process was started before; each inherits the mask.
  static void Block() {
    const sigset_t set = Set();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);  // it means nothing here, and would end a process that guests need
  }

  absl::Status Watch() {
    const sigset_t set = Set();
    fd_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) return ErrnoStatus(errno, "create signalfd");
    return watch_.Begin(fd_.get(), EPOLLIN);
  }

  void OnEvents(uint32_t) override {
    signalfd_siginfo info;
    while (read(fd_.get(), &info, sizeof info) == sizeof info) {
      const auto logged = [](const absl::Status&, const std::string&) {};
      if (info.ssi_signo == SIGHUP) {
        agent_->replacement()->Reload(logged);
        continue;
      }
      if (info.ssi_signo == SIGUSR2) {
        agent_->replacement()->Upgrade(logged);
        continue;
      }
      if (!agent_->handed_over()) manager_->Stopping();
      agent_->Stop();
    }
  }

 private:
  static sigset_t Set() {
    sigset_t set;
    sigemptyset(&set);
    for (int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&set, number);
    return set;
  }

  Agent* const agent_;
  ServiceManager* const manager_;
  UniqueFd fd_;
  FdWatch watch_;
};

// How the agent starts, and whom it tells. What is pointed to outlives the start. `opened` gets
// why the ports file could not be written.
Agent::StartOptions StartOptionsOf(const Flags& flags, Agent* agent, ServiceManager* manager,
                                   Log* log, absl::Status* opened) {
  Agent::StartOptions start;
  start.take_over = flags.take_over;
  start.linger = flags.linger;
  start.successor = flags.successor;
  start.config_path = flags.config;
  start.inherited = ServiceManager::TakeSockets();
  // Before a predecessor exits: systemd must not take its exit for the service's.
  start.serving = [manager] { manager->Serving(); };
  start.reloading = [manager] { manager->Reloading(); };
  start.reload_failed = [manager] { manager->Ready(); };
  start.lingering = [manager] { manager->Succeeded(); };
  start.opened = [agent, log, opened, &flags] {
    const int port = agent->http_port();
    if (!flags.ports_file.empty()) *opened = WritePortsFile(flags.ports_file, {{"http", port}});
    if (!opened->ok()) log->Error("agent.ports_file", {{"reason", *opened}});
    log->Info("agent.started", {{"version", ENTROPYD_VERSION},
                                {"config", flags.config},
                                {"http_port", port},
                                {"pid", getpid()}});
  };
  return start;
}

ExitCode Serve(const config::v1::HostAgent& config, const config::Locations& locations,
               const Flags& flags, const Prepared& prepared) {
  SystemClock clock;
  Log log(&clock);
  ConfigureLog(config.log(), &log);
  TellCleared(prepared.cleared, &log);
  if (!prepared.locked.ok()) log.Warning("memory.unlocked", {{"reason", prepared.locked}});
  GrpcLines grpc_lines(&log, &clock);
  SendGrpcLogTo(&grpc_lines);
  Metrics metrics;
  log.Export(&metrics);
  ExportMemoryLocked(prepared.locked.ok(), &metrics);
  const auto fail = [&](ExitCode code, const absl::Status& status) {
    log.Flush();  // what comes before the last words
    return Fail(flags, code, status);
  };
  if (auto status = CheckDescriptors(config, RaiseDescriptorLimit(), &log); !status.ok()) {
    return fail(kRuntime, status);
  }
  auto agent = Agent::Create(config, locations, &clock, &log, &metrics);
  if (!agent.ok()) {
    return fail(absl::IsInvalidArgument(agent.status()) ? kUsage : kRuntime, agent.status());
  }
  ServiceManager manager;
  Signals signals(agent->get(), &manager);
  if (auto status = signals.Watch(); !status.ok()) return fail(kRuntime, status);
  // Also while a predecessor still serves. It feeds the watchdog until Serving(), and this process
  // from then on.
  manager.Watch((*agent)->loop(), [&] { return (*agent)->answers()->Summary(); });
  absl::Status opened;
  Agent::StartOptions start = StartOptionsOf(flags, agent->get(), &manager, &log, &opened);
  if (auto status = (*agent)->Start(std::move(start)); !status.ok()) {
    if (!absl::IsCancelled(status)) return fail(kRuntime, status);
    log.Info("agent.stopped", {{"reason", status}, {"pid", getpid()}});
    return kOk;
  }
  if (!opened.ok()) return fail(kRuntime, opened);
  const absl::Status ended = (*agent)->Run();
  // systemd must know what the successor has told it before it sees this process end.
  if ((*agent)->handed_over()) manager.AwaitHeard();
  log.Info("agent.stopped", {{"handed_over", (*agent)->handed_over()}, {"pid", getpid()}});
  return ended.ok() ? kOk : fail(kRuntime, ended);
}

ExitCode Say(const Flags& flags, absl::string_view text) {
  const absl::Status written = WriteToStandardOutput(text);
  return written.ok() ? kOk : Fail(flags, kRuntime, written);
}

ExitCode Run(const Flags& flags, Prepared prepared) {
  if (flags.describe) {
    return Say(flags, config::Describe(config::v1::HostAgent::descriptor()));
  }
  config::v1::HostAgent config;
  config::Locations locations;
  if (auto status = config::Load(flags.config, &config, &locations); !status.ok()) {
    config::v1::Server server;
    status = config::OrMeant(status, flags.config, &server,
                             "this looks like server.yaml; entropyd-hostagent reads agent.yaml");
    return Fail(flags, kUsage, config::OrGive(status, "--config"));
  }
  if (flags.check) {
    const SystemClock clock;
    const auto warnings = CheckAgentConfig(config, locations, &clock);
    if (!warnings.ok()) return Fail(flags, kUsage, warnings.status());
    for (const std::string& warning : *warnings) {
      fprintf(stderr, "entropyd-hostagent: warning: %s\n", EscapeControls(warning, "\n\t").c_str());
    }
    return Say(flags, absl::StrCat(flags.config, ": configuration OK\n"));
  }
  // Serve() reads the private key.
  prepared.locked = LockMemory();
  if (!prepared.locked.ok() && config.strict_memory()) {
    return Fail(flags, kRuntime, prepared.locked);
  }
  return Serve(config, locations, flags, prepared);
}

int Main(int argc, char** argv) {
  // ps and pgrep find it by this name. A process started through /proc/self/exe, as by a reload,
  // would be called "exe". The kernel keeps 15 bytes.
  prctl(PR_SET_NAME, "entropyd-hostag");
  OpenStandardFds();
  Prepared prepared;
  prepared.cleared = ClearGrpcVariables();
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  KeepFreedPages();
  Signals::Block();
  const UniqueFd last_words = TakeLastWordsFd();
  Flags flags;
  flags.last_words = last_words.get();
  absl::Status hardened = HardenProcess();
  if (hardened.ok()) hardened = GuardOpenSslMemory();
  if (hardened.ok()) hardened = tls::RequireTls13();
  if (!hardened.ok()) return Fail(flags, kRuntime, hardened);

  CLI::App app("Serves entropy to the guests of this host.", "entropyd-hostagent");
  app.formatter(std::make_shared<HelpFormatter>());
  app.add_option("--config", flags.config, "configuration file")
      ->envname("ENTROPYD_AGENT_CONFIG")
      ->capture_default_str();
  app.add_option("--ports-file", flags.ports_file,
                 "write http=PORT into this file once everything listens");
  app.add_flag(kTakeOver, flags.take_over,
               "take the guests over from the agent that runs, without closing a connection; start "
               "normally when none runs");
  app.add_flag(
      "--linger", flags.linger,
      "when another process has taken the guests over, end only on SIGTERM; for a service manager "
      "that starts again each process that ends, as Kubernetes does");
  app.add_flag("--check-config", flags.check, "check the configuration and exit");
  app.add_flag("--describe-config", flags.describe,
               "print every configuration key with its default and exit");
  app.set_version_flag("--version", std::string("entropyd-hostagent ") + ENTROPYD_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const LastAnswer answer = AnswerTo(app, error);
    if (!answer.wrong_usage) return Say(flags, answer.text);
    fputs(answer.text.c_str(), stderr);
    WriteLastWords(flags.last_words, error.what());
    return kUsage;
  }
  flags.successor = SuccessorCommand(argc, argv);
  return Run(flags, std::move(prepared));
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { entropyd::EndProcess(entropyd::Main(argc, argv)); }
