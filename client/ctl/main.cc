// entropyctl: takes the command line, and runs the command that it names.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/crypto/openssl_memory.h"
#include "base/crypto/tls.h"
#include "base/process/end_process.h"
#include "base/process/fd.h"
#include "base/process/harden_process.h"
#include "base/text/command_line.h"
#include "base/text/names.h"
#include "base/wire/grpc_log.h"
#include "client/ctl/arguments.h"
#include "client/ctl/command_status.h"
#include "client/ctl/figure_arguments.h"
#include "client/ctl/host_commands.h"
#include "client/ctl/server_commands.h"
#include "client/ctl/standalone_commands.h"
#include "client/ctl/unknown_command.h"
#include "client/show/json_text.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

constexpr char kAbout[] =
    "Looks after entropyd: draws bytes, shows servers and agents, makes certificates.\n"
    "\n"
    "  entropyctl demo                  a whole entropyd here, thrown away at the end\n"
    "  entropyctl get --bytes 32 --hex  32 bytes of the class in client.yaml\n"
    "  entropyctl status                exit 3 when unhealthy, 69 when nobody answers\n"
    "  entropyctl doctor                what is wrong here, and what mends it\n"
    "  entropyctl classes -o json       every table is there as JSON too\n"
    "\n"
    "Where the server is and who you are there: flags, else ENTROPYD_* in the environment, else "
    "/etc/entropyd/client.yaml.";

constexpr char kVersion[] = "entropyctl " ENTROPYD_VERSION;

constexpr char kExits[] =
    "\nExit status:\n"
    "  0   done\n"
    "  1   failed; doctor: something is wrong\n"
    "  2   the command line, a configuration, or a file that they name is wrong\n"
    "  3   what was asked about is not healthy; doctor: it could not look\n"
    "  69  the server or the agent does not answer";

void AddConnection(CLI::App& app, ClientFlags& flags) {
  app.add_option("--config", flags.config, "client.yaml (default: /etc/entropyd/client.yaml)");
  app.add_option("--server", flags.server, "HOST:PORT of entropyd");
  app.add_option("--cert", flags.cert, "certificate, PEM");
  app.add_option("--key", flags.key, "its key, PEM");
  app.add_option("--ca", flags.ca,
                 "PEM bundle of authorities that may sign the server's certificate");
  app.add_option("--server-name", flags.server_name, "name expected in the server's certificate");
  app.add_option("--control", flags.control, "the agent's control socket");
}

std::vector<const CLI::App*> ListedCommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

// "entropyctl classes set" and so on, of all commands below `app`.
std::vector<std::string> AllCommands(const CLI::App& app, const std::string& path) {
  std::vector<std::string> all;
  for (const CLI::App* command : ListedCommands(app)) {
    all.push_back(absl::StrCat(path, " ", command->get_name()));
    for (std::string& below : AllCommands(*command, all.back())) all.push_back(std::move(below));
  }
  return all;
}

// The error of a word that stands where a command of `app`, or of one of its commands, should
// stand; OK when there is none.
absl::Status CheckCommands(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string path = app.get_name();
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    absl::StrAppend(&path, " ", at->get_name());
  }
  std::vector<std::string> names;
  for (const CLI::App* command : ListedCommands(*at)) names.push_back(command->get_name());
  return UnknownCommand(path, names, app.remaining(/*recurse=*/true),
                        AllCommands(app, app.get_name()));
}

// Most words become strings of messages, which must be UTF-8.
absl::Status CheckWords(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (absl::Status status = CheckUtf8(argv[i]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Refuses empty values. In a script an empty value is a variable that is not set; and where a name
// chooses one of many, an empty one would choose all of them.
void RefuseEmptyValues(CLI::App* app) {
  for (CLI::Option* option : app->get_options()) {
    if (option->get_items_expected_max() == 0) continue;  // a flag
    option->check([](const std::string& value) {
      return value.empty()
                 ? std::string("the value is empty (is a variable of the script not set?)")
                 : std::string();
    });
  }
  for (CLI::App* command : app->get_subcommands({})) RefuseEmptyValues(command);
}

// What a command says only counts when it was written.
int CheckOutput(int result) {
  const absl::Status written = FlushOutput(std::cout);
  if (written.ok()) return result;
  const int failed = Fail(written);
  return result == kExitOk ? failed : result;
}

int Main(int argc, char** argv) {
  OpenStandardFds();
  ClearGrpcVariables();
  SendGrpcLogTo(nullptr);  // the error of a call tells why it failed
  // A command may read a private key, or make one. Programs that it starts may be dumped again.
  absl::Status guarded = ForbidDumps();
  if (guarded.ok()) guarded = GuardOpenSslMemory();
  // gRPC and every command that makes a TLS context come later.
  if (guarded.ok()) guarded = tls::RequireTls13();
  if (!guarded.ok()) return Fail(guarded);
  if (absl::Status words = CheckWords(argc, argv); !words.ok()) return Fail(words);

  Arguments args;
  CLI::App app(kAbout, "entropyctl");
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", kVersion);
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kExits);
  app.add_option("-o,--output", args.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  AddConnection(app, args.connection);
  AddServerCommands(app, args);
  AddHostCommands(app, args);
  AddStandaloneCommands(app, args);
  // As people type it.
  AddTable(app, args, "version", "Show this program's version", [&args] {
    args.json() ? PrintJson(JsonObject().Set("version", ENTROPYD_VERSION).ToString())
                : Print(absl::StrCat(kVersion, "\n"));
    return kExitOk;
  });
  RefuseEmptyValues(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (absl::Status status = CheckCommands(app); !status.ok()) return Fail(status);
    LastAnswer answer = AnswerTo(app, error);
    if (answer.wrong_usage && NamedCommand(app) == "entropyctl classes set") {
      answer.text = absl::StrReplaceAll(
          answer.text, {{"; see ", FigureHint({argv + 1, argv + argc}) + "; see "}});
    }
    (answer.wrong_usage ? std::cerr : std::cout) << answer.text;
    return CheckOutput(answer.wrong_usage ? kExitUsage : kExitOk);
  }
  if (args.json()) ReportErrorsAsJson();
  const int result = args.run();
  return args.output_may_close ? result : CheckOutput(result);
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { entropyd::EndProcess(entropyd::Main(argc, argv)); }
