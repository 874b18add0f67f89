#include "client/ctl/server_commands.h"

#include <cstdint>
#include <functional>

#include "client/ctl/commands.h"

namespace entropyd {
namespace {

// The most that one run may ask for, so that a typing mistake does not run for a day.
constexpr uint64_t kMaxDrawn = uint64_t{1} << 40;

void AddGet(CLI::App& app, Arguments& args) {
  CLI::App* get = app.add_subcommand("get", "Draw bytes from a class of the server");
  get->footer(
      "\n  entropyctl get --bytes 32 --hex\n"
      "  entropyctl get --bytes 1MiB --class default/bulk --raw >noise");
  get->add_option("--bytes,-n", args.get_bytes, "how many, e.g. 32 or 1MiB")
      ->required()
      ->transform(SizeText(kMaxDrawn));
  get->add_option("--class", args.connection.pool_class,
                  "POOL/CLASS (default: `class` of client.yaml)");
  auto* hex = get->add_flag("--hex", args.hex, "hexadecimal, 32 bytes a line (the default)");
  auto* raw = get->add_flag("--raw", args.raw, "the bytes themselves");
  auto* base64 = get->add_flag("--base64", args.base64, "base64, one line");
  hex->excludes(raw)->excludes(base64);
  raw->excludes(base64);
  get->add_flag("--force", args.get.force, "write raw bytes to a terminal, too");
  get->callback([&args] {
    args.run = [&args] {
      args.get.bytes = SizeNumber(args.get_bytes);
      args.get.output = args.raw      ? GetOptions::Output::kRaw
                        : args.base64 ? GetOptions::Output::kBase64
                                      : GetOptions::Output::kHex;
      args.get.json = args.json();
      return RunGet(args.connection, args.get);
    };
  });
}

void AddClassChanges(CLI::App& classes, Arguments& args) {
  CLI::App* set = classes.add_subcommand("set", "Change figures of a class while it serves");
  set->footer(
      "\n  entropyctl classes set default/bulk ceil=8MiB/s\n"
      "  entropyctl classes set default/gold rate=20MiB/s ceil=none prio=0\n"
      "\nKeys, units and rules are server.yaml's: rate, ceil, burst, cburst, weight, prio. Where "
      "the server has a state_dir the change outlives a restart, until `classes reset`.");
  set->add_option("CLASS", args.class_change.pool_class, "POOL/CLASS")->required();
  set->add_option("FIGURE", args.class_change.figures, "KEY=VALUE, one or more")->required();
  set->add_flag("--dry-run", args.class_change.dry_run, "check the change, and change nothing");
  set->callback([&args] {
    args.run = [&args] { return RunClassesSet(args.connection, args.class_change, args.json()); };
  });
  CLI::App* reset = classes.add_subcommand("reset", "Return to the figures of server.yaml");
  reset->add_option("CLASS", args.class_change.pool_class, "POOL/CLASS (default: all)");
  reset->callback([&args] {
    args.run = [&args] { return RunClassesReset(args.connection, args.class_change, args.json()); };
  });
  CLI::App* diff = classes.add_subcommand(
      "diff", "Show what differs from server.yaml, since when, and who changed it");
  diff->callback(
      [&args] { args.run = [&args] { return RunClassesDiff(args.connection, args.json()); }; });
}

void AddClasses(CLI::App& app, Arguments& args) {
  CLI::App* classes =
      app.add_subcommand("classes", "Show the class tree: rates, ceilings, and who waits");
  classes->require_subcommand(0, 1);
  classes->add_option("--pool", args.classes.pool, "only this pool");
  classes
      ->add_option("--seconds", args.classes.seconds,
                   "measure the column ACTUAL for so long (default 1; 0 = leave the column out)")
      ->check(NumberIn(0.0, 3600.0));
  CLI::App* simulate = classes->add_subcommand(
      "simulate", "Show what a class tree would give to whom; needs no server");
  simulate->footer(
      "\n  entropyctl classes simulate plan.json\n"
      "  echo '{\"capacity\": 100, \"load\": {\"www\": 90, \"bulk\": null},\n"
      "         \"classes\": [{\"name\": \"root\"},\n"
      "           {\"name\": \"www\", \"parent\": \"root\", \"rate\": 30, \"ceil\": 60},\n"
      "           {\"name\": \"bulk\", \"parent\": \"root\", \"rate\": 10, \"weight\": 1,\n"
      "            \"prio\": 1}]}' |\n"
      "    entropyctl classes simulate -\n"
      "\nFigures are bytes per second. A load of null is a leaf that always waits, a capacity of "
      "null no limit; \"shed\": \"priority\" meets guarantees prio by prio when they cannot all "
      "be met.");
  simulate->add_option("FILE", args.scenario, "the scenario, JSON; - is the standard input")
      ->required();
  simulate->callback(
      [&args] { args.run = [&args] { return RunClassesSimulate(args.scenario, args.json()); }; });
  AddClassChanges(*classes, args);
  classes->callback([&args, classes] {
    if (!classes->get_subcommands().empty()) return;
    args.run = [&args] { return RunClasses(args.connection, args.classes, args.json()); };
  });
}

void AddSources(CLI::App& app, Arguments& args) {
  CLI::App* sources =
      app.add_subcommand("sources", "Show the server's hardware generators and their health");
  sources->require_subcommand(0, 1);
  sources->footer(
      "\n  entropyctl sources test hwrng          start-up tests, now\n"
      "  entropyctl sources reset hwrng         a latched source gets another chance\n"
      "  entropyctl sources record hwrng --samples 1000000 --out hwrng.bin");
  sources->callback([&args, sources] {
    if (!sources->get_subcommands().empty()) return;
    args.run = [&args] { return RunSources(args.connection, args.json()); };
  });
  const auto one = [&](const char* name, const char* help, const std::function<int()>& run) {
    CLI::App* command = sources->add_subcommand(name, help);
    command->add_option("NAME", args.record.source, "of the source")->required();
    command->callback([&args, run] { args.run = run; });
    return command;
  };
  const auto act = [&args](SourceAction action) {
    return [&args, action] {
      return RunSource(args.connection, args.record.source, action, args.json());
    };
  };
  one("show", "Show one source and the states it went through; exit 3 when it is not healthy",
      act(SourceAction::kShow));
  one("test", "Run its start-up tests again, and wait; exit 3 when it is not healthy afterwards",
      act(SourceAction::kTest));
  one("reset", "Forget its alarms, put it back into use if it is latched, and test it",
      act(SourceAction::kReset));
  CLI::App* record =
      one("record", "Write raw samples to a file, for an assessment after SP 800-90B",
          [&args] { return RunRecord(args.connection, args.record, args.json()); });
  record->footer(
      "\n  entropyctl sources record hwrng --samples 1000000 --out hwrng.bin\n"
      "  entropyctl sources record hwrng --restarts 1000 --samples 1000 \\\n"
      "      --out restarts.bin\n"
      "\nOne sample is one byte. The server needs allow_recording: true; what is recorded feeds no "
      "pool.");
  record->add_option("--samples", args.record.samples, "how many (with --restarts: of each)")
      ->required()
      ->check(WholeNumberIn(1, uint64_t{1} << 30));
  record->add_option("--restarts", args.record.restarts, "open the device anew so many times")
      ->check(WholeNumberIn(1, 1'000'000));
  record->add_option("--out", args.record.out, "the file")->required();
  record->add_flag("--force", args.record.force, "replace the file");
}

void AddDrain(CLI::App& app, Arguments& args) {
  CLI::App* drain =
      AddTable(app, args, "drain", "Send agents to other servers, before maintenance",
               [&args] { return RunDrain(args.connection, args.drain, args.json()); });
  drain->footer(
      "\n  entropyctl drain --deadline 60 --reason 'kernel update'\n"
      "  entropyctl drain --end\n"
      "  entropyctl drain --identity spiffe://dc1/agent/h7");
  CLI::Option* end = drain->add_flag("--end", args.drain.end, "take agents again");
  drain
      ->add_option("--identity", args.drain.identity,
                   "only this agent (default: all, and refuse new ones until --end)")
      ->excludes(end);
  drain->add_option("--reason", args.drain.reason, "for the agents' logs")->excludes(end);
  drain
      ->add_option("--deadline", args.drain.deadline_seconds,
                   "seconds until streams are cut (default 30)")
      ->check(WholeNumberIn(1, 3600))
      ->excludes(end);
}

}  // namespace

void AddServerCommands(CLI::App& app, Arguments& args) {
  AddGet(app, args);
  AddTable(app, args, "status",
           "Show server and agent at a glance; exit 3 when unhealthy, 69 when nobody answers",
           [&args] { return RunStatus(args.connection, args.json()); });
  AddSources(app, args);
  AddTable(app, args, "self-test", "Run the server's self-tests now",
           [&args] { return RunSelfTest(args.connection, args.json()); });
  AddTable(app, args, "pools", "Show the server's pools",
           [&args] { return RunPools(args.connection, args.json()); });
  AddClasses(app, args);
  AddTable(app, args, "agents", "Show the agents that are attached to the server",
           [&args] { return RunAgents(args.connection, args.json()); });
  AddTable(app, args, "reload",
           "Have the server take its changed configuration and certificates, or nothing of them",
           [&args] { return RunReload(args.connection, args.json()); })
      ->footer(
          "\nPrints what has changed. No connection closes. Exit status 3: all was taken\n"
          "but keys that need a restart (listen, metrics, strict_memory, state_dir).");
  AddDrain(app, args);
}

}  // namespace entropyd
