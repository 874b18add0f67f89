// entropyctl: the command line and nothing else. CLI11 throws, so only this file includes it.
#include <unistd.h>

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/openssl_memory.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/tls.h"
#include "base/process/fd.h"
#include "base/text/command_line.h"
#include "base/wire/grpc_log.h"
#include "client/ctl/commands.h"
#include "client/ctl/number_arguments.h"
#include "client/ctl/unknown_command.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

constexpr char kAbout[] =
    "Looks after entropyd: draws bytes, shows servers and agents, makes certificates.\n"
    "\n"
    "  entropyctl demo                  a whole entropyd here, thrown away at the end\n"
    "  entropyctl get --bytes 32 --hex  32 bytes of the class in client.yaml\n"
    "  entropyctl status                exit 3 when unhealthy, 69 when nobody answers\n"
    "  entropyctl classes -o json       every table is there as JSON too\n"
    "\n"
    "Where the server is and who you are there: flags, else ENTROPYD_* in the environment, else "
    "/etc/entropyd/client.yaml.";

// What the command line says; each command takes its part.
struct Arguments {
  ClientFlags connection;
  std::string output = "text";
  GetOptions get;
  std::string get_bytes;
  bool hex = false, raw = false, base64 = false;
  ClassesOptions classes;
  ClassChangeOptions class_change;
  std::string scenario;
  RecordOptions record;
  DrainOptions drain;
  TopOptions top;
  GuestSocketOptions guest_socket;
  PkiOptions pki;
  DemoOptions demo;
  std::string demo_guest_bytes = "262144";  // digits, as SizeText leaves them
  GuestBootOptions guest_boot;
  std::string guest_boot_bytes = "65536";
  LibvirtOptions libvirt;
  std::function<int()> run;
  bool output_may_close = false;  // then the command ends in order, and nothing is wrong

  bool json() const { return output == "json"; }
};

// Leaves digits behind. Errors go through CLI11, which names the flag.
CLI::Validator SizeText(uint64_t most) {
  return CLI::Validator(
      [most](std::string& text) -> std::string {
        const absl::StatusOr<uint64_t> bytes = ParseSizeArgument(text, most);
        if (!bytes.ok()) return std::string(bytes.status().message());
        text = absl::StrCat(*bytes);
        return "";
      },
      "SIZE");
}

CLI::Validator NumberIn(double least, double most) {
  return CLI::Validator(
      [least, most](const std::string& text) {
        return std::string(CheckNumberArgument(text, least, most).message());
      },
      absl::StrCat("FLOAT in [", least, " - ", most, "]"));
}

CLI::Validator WholeNumberIn(uint64_t least, uint64_t most) {
  return CLI::Validator(
      [least, most](const std::string& text) {
        return std::string(CheckWholeNumberArgument(text, least, most).message());
      },
      absl::StrCat("[", least, " - ", most, "]"));
}

uint64_t Number(const std::string& digits) {
  uint64_t bytes = 0;
  return absl::SimpleAtoi(digits, &bytes) ? bytes : 0;
}

// The most that one run may ask for, so that a typing mistake does not run for a day.
constexpr uint64_t kMostDrawn = uint64_t{1} << 40;
constexpr uint64_t kMostGuest = uint64_t{64} << 20;  // the guest keeps them in its memory

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

void AddGet(CLI::App& app, Arguments& args) {
  CLI::App* get = app.add_subcommand("get", "Draw bytes from a class of the server");
  get->footer(
      "\n  entropyctl get --bytes 32 --hex\n"
      "  entropyctl get --bytes 1MiB --class default/bulk --raw >noise");
  get->add_option("--bytes,-n", args.get_bytes, "how many, e.g. 32 or 1MiB")
      ->required()
      ->transform(SizeText(kMostDrawn));
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
      args.get.bytes = Number(args.get_bytes);
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

void AddGuests(CLI::App& app, Arguments& args) {
  CLI::App* guests = app.add_subcommand(
      "guests", "Show the guests of this host's agent; make and remove their sockets");
  guests->footer(
      "\n  entropyctl guests                               who is connected\n"
      "  entropyctl guests add web --class default/gold  a socket for one guest; prints\n"
      "                                                  the arguments for QEMU\n"
      "  entropyctl guests remove web                    closes it");
  guests->require_subcommand(0, 1);
  guests->callback([&args, guests] {
    if (!guests->get_subcommands().empty()) return;
    args.run = [&args] { return RunGuests(args.connection, args.json()); };
  });
  CLI::App* add =
      guests->add_subcommand("add", "Make a socket for one guest; it stays until you remove it");
  add->add_option("NAME", args.guest_socket.name, "what the guest is called")->required();
  add->add_option("--class", args.connection.pool_class,
                  "POOL/CLASS, one of the agent's (default: the class of its first listener)");
  add->add_option("--path", args.guest_socket.path,
                  "the socket (default: guest/NAME.sock beside the control socket)");
  add->add_option("--mode", args.guest_socket.mode, "octal file mode (default 0660)");
  add->add_option(
      "--group", args.guest_socket.group,
      "the socket's group, a name or a number (default: the group of its first listener)");
  add->callback([&args] {
    args.run = [&args] {
      return RunGuestsAdd(args.connection, args.connection.pool_class, args.guest_socket,
                          args.json());
    };
  });
  CLI::App* remove = guests->add_subcommand("remove", "Close a guest's socket and its connections");
  remove->add_option("NAME", args.guest_socket.name, "as given to add")->required();
  remove->callback([&args] {
    args.run = [&args] {
      return RunGuestsRemove(args.connection, args.guest_socket.name, args.json());
    };
  });
}

// A command that takes no words of its own.
CLI::App* AddTable(CLI::App& app, Arguments& args, const char* name, const char* help,
                   const std::function<int()>& run) {
  CLI::App* command = app.add_subcommand(name, help);
  command->callback([&args, run] { args.run = run; });
  return command;
}

void AddTables(CLI::App& app, Arguments& args) {
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
  AddGuests(app, args);

  CLI::App* top = AddTable(app, args, "top",
                           "Show classes and guests of this host's agent by rate, again and again",
                           [&args] { return RunTop(args.connection, args.top, args.json()); });
  top->footer("\nRates are averages over some seconds. JSON: one object on each line.");
  top->add_flag("--once", args.top.once, "print once and end");
  top->add_option("--interval", args.top.seconds, "seconds between two looks (default 2)")
      ->check(NumberIn(0.1, 3600.0));
}

void AddAgent(CLI::App& app, Arguments& args) {
  CLI::App* agent = app.add_subcommand("agent", "Upgrade or reload this host's agent");
  agent->require_subcommand(1);
  CLI::App* upgrade = agent->add_subcommand(
      "upgrade",
      "Start the agent's program again; the new process takes over every guest and closes no "
      "connection");
  upgrade->callback(
      [&args] { args.run = [&args] { return RunAgentUpgrade(args.connection, args.json()); }; });
  CLI::App* reload = agent->add_subcommand(
      "reload",
      "Have the agent take its changed configuration, or refuse it; no guest's connection closes");
  reload->footer(
      "\nWhen it is refused, the old process serves on as before. Exit status 3: it was\n"
      "taken, but the server refuses a class to this host.");
  reload->callback(
      [&args] { args.run = [&args] { return RunAgentReload(args.connection, args.json()); }; });
}

void AddReload(CLI::App& app, Arguments& args) {
  AddTable(app, args, "reload",
           "Have the server take its changed configuration and certificates, or nothing of them",
           [&args] { return RunReload(args.connection, args.json()); })
      ->footer(
          "\nIt tells what has changed. No connection closes. Exit status 3: all was taken\n"
          "but keys that need a restart (listen, metrics, strict_memory, state_dir).");
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

// Days of a certificate. Zero of them would be none, and pki::Init and Issue refuse more.
CLI::Validator Days() { return WholeNumberIn(1, 36'500); }

void AddPki(CLI::App& app, Arguments& args) {
  CLI::App* pki = app.add_subcommand("pki", "Run a small certificate authority, if you have none");
  pki->require_subcommand(1);
  pki->footer(
      "\n  entropyctl pki init --dir ca --name dc1\n"
      "  entropyctl pki issue --dir ca --name server --spiffe spiffe://dc1/server \\\n"
      "      --dns entropyd.example\n"
      "  entropyctl pki issue --dir ca --name h7 --spiffe spiffe://dc1/agent/h7\n"
      "  entropyctl pki revoke --dir ca --cert ca/h7.crt");
  const auto command = [&](const char* name, const char* help, const std::function<int()>& run) {
    CLI::App* sub = pki->add_subcommand(name, help);
    sub->add_option("--dir", args.pki.dir, "the authority's directory")->required();
    sub->callback([&args, run] { args.run = run; });
    return sub;
  };
  CLI::App* init = command("init", "Make an authority: ca.crt, ca.key, an empty crl.pem",
                           [&args] { return RunPkiInit(args.pki, args.json()); });
  init->add_option("--name", args.pki.name, "its name (default: entropyd)");
  init->add_option("--days", args.pki.days, "validity in days")->check(Days());
  CLI::App* issue = command("issue", "Issue a certificate and key: NAME.crt, NAME.key",
                            [&args] { return RunPkiIssue(args.pki, args.json()); });
  issue->add_option("--name", args.pki.name, "of the files, and the CN")->required();
  issue->add_option("--spiffe", args.pki.spiffe, "identity: spiffe://DOMAIN/PATH");
  issue->add_option("--dns", args.pki.dns, "DNS name; may be given several times");
  issue->add_option("--ip", args.pki.ip, "address; may be given several times");
  issue->add_option("--out", args.pki.out,
                    "directory for both files (default: the directory of the authority)");
  issue->add_option("--days", args.pki.days, "validity in days")->check(Days());
  CLI::App* revoke = command("revoke", "Revoke a certificate: writes crl.pem anew",
                             [&args] { return RunPkiRevoke(args.pki, args.json()); });
  revoke->add_option("--cert", args.pki.cert, "the certificate, PEM")->required();
}

void AddKernel(CLI::App* command, std::string* kernel, std::string* accel) {
  command->add_option("--kernel", *kernel,
                      "directory that deploy/fetch-guest-kernel.sh filled (default: "
                      "ENTROPYD_GUEST_KERNEL, /usr/share/entropyd/guest, ~/.cache/entropyd/guest)");
  command->add_option("--accel", *accel, "auto (KVM when it works), kvm or tcg")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}));
}

void AddDemo(CLI::App& app, Arguments& args) {
  CLI::App* demo = app.add_subcommand(
      "demo", "Run all of entropyd on this machine: CA, server, agent, one EGD socket");
  demo->footer(
      "\n  entropyctl demo                       until Ctrl-C\n"
      "  entropyctl demo --guest --seconds 60  a guest with the device, and one without\n"
      "\nAll files are in one directory, which the demo removes at the end.");
  demo->add_option("--dir", args.demo.dir, "directory to use (default: a new one under /tmp)");
  demo->add_option("--seconds", args.demo.seconds,
                   "end after so many seconds; 0 = only when interrupted")
      ->check(NumberIn(0.0, 1e7));
  demo->add_flag("--guest", args.demo.guest, "boot a QEMU guest with virtio-rng and one without");
  demo->add_option("--guest-bytes", args.demo_guest_bytes,
                   "how much the guest reads (default 256KiB)")
      ->transform(SizeText(kMostGuest));
  AddKernel(demo, &args.demo.kernel, &args.demo.accel);
  demo->callback([&args] {
    args.output_may_close = true;
    args.run = [&args] {
      args.demo.guest_bytes = Number(args.demo_guest_bytes);
      return RunDemo(args.demo, args.json());
    };
  });
}

void AddGuestBoot(CLI::App& app, Arguments& args) {
  CLI::App* boot = app.add_subcommand("guest-boot", "Boot a test guest on an EGD socket");
  boot->group("");  // for tests and benchmarks: it works, but --help does not list it
  boot->add_option("--socket", args.guest_boot.socket,
                   "EGD socket; absent = a guest without a device");
  boot->add_option("--bytes", args.guest_boot_bytes, "to read from /dev/hwrng (default 64KiB)")
      ->transform(SizeText(kMostGuest));
  boot->add_option("--dump", args.guest_boot.dump, "file for the bytes read");
  boot->add_option("--seed-wait", args.guest_boot.seed_wait_seconds,
                   "seconds to watch the guest's kernel for being seeded (default 25)")
      ->check(NumberIn(0.0, 3600.0));
  boot->add_option("--initramfs", args.guest_boot.initramfs,
                   "only write what the guest boots from beside its kernel to this file");
  boot->add_option("--limit", args.guest_boot.limit_seconds, "seconds for all of it (default 180)")
      ->check(NumberIn(1.0, 36000.0));
  AddKernel(boot, &args.guest_boot.kernel, &args.guest_boot.accel);
  boot->callback([&args] {
    args.run = [&args] {
      args.guest_boot.bytes = Number(args.guest_boot_bytes);
      return RunGuestBoot(args.guest_boot, args.json());
    };
  });
}

void AddLibvirtChanges(CLI::App& libvirt, Arguments& args) {
  LibvirtOptions& options = args.libvirt;
  CLI::App* set = libvirt.add_subcommand("set", "Have this host's agent feed a domain");
  set->footer(
      "\n  entropyctl libvirt set web1 --class default/gold --dry-run\n"
      "  entropyctl libvirt set web1 --class default/gold --live\n"
      "\nWhat <backend model='pool' name='default' class='gold'/> would say, if libvirt had it: "
      "an egd backend on the agent's socket that reconnects, and the class in the domain's "
      "metadata. Everything else in the domain stays. The agent is asked whether this host may use "
      "the class.");
  set->add_option("DOMAIN", options.domain, "name, UUID or id")->required();
  set->add_option("--class", args.connection.pool_class, "POOL/CLASS")->required();
  set->add_flag("--only", options.only, "remove the domain's other generators");
  set->add_flag("--force", options.force, "do not ask the agent: it is not on this host");
  set->callback([&args] {
    args.run = [&args] { return RunLibvirtSet(args.connection, args.libvirt, args.json()); };
  });
  CLI::App* remove = libvirt.add_subcommand("remove", "Remove class and device from a domain");
  remove->add_option("DOMAIN", options.domain, "name, UUID or id")->required();
  remove->callback(
      [&args] { args.run = [&args] { return RunLibvirtRemove(args.libvirt, args.json()); }; });
  for (CLI::App* command : {set, remove}) {
    command->add_flag("--live", options.live,
                      "change the running domain, too: hot-plug or hot-unplug");
    command->add_flag("--dry-run", options.dry_run,
                      "show what would be changed, and change nothing");
  }
}

void AddLibvirt(CLI::App& app, Arguments& args) {
  LibvirtOptions& options = args.libvirt;
  CLI::App* libvirt =
      app.add_subcommand("libvirt", "Have this host's agent feed domains of libvirt");
  libvirt->require_subcommand(1);
  libvirt->add_option("--connect", options.connect, "libvirt's URI (default: virsh's)");
  libvirt->add_option("--socket", options.socket,
                      "the agent's EGD socket (default: /run/entropyd/egd.sock)");
  AddLibvirtChanges(*libvirt, args);
  CLI::App* show = libvirt->add_subcommand("show", "Show classes and generators of domains");
  show->add_option("DOMAIN", options.domains, "(default: all)");
  show->callback(
      [&args] { args.run = [&args] { return RunLibvirtShow(args.libvirt, args.json()); }; });
  CLI::App* lint = libvirt->add_subcommand(
      "lint", "Show what is wrong with the generators of domains; exit 1 if anything is");
  lint->add_option("DOMAIN", options.domains, "(default: all)");
  lint->add_flag("--force", options.force, "do not ask the agent: it is not on this host");
  lint->callback([&args] {
    args.run = [&args] { return RunLibvirtLint(args.connection, args.libvirt, args.json()); };
  });
  CLI::App* convert = libvirt->add_subcommand(
      "convert", "Read domain XML with <backend model='pool' …/>, write XML that libvirt takes");
  convert->footer("\n  entropyctl libvirt convert web1.xml | virsh define /dev/stdin");
  options.file = "-";
  convert->add_option("FILE", options.file, "(default: the standard input)");
  convert->add_flag("--dry-run", options.dry_run, "show the difference instead");
  convert->callback(
      [&args] { args.run = [&args] { return RunLibvirtConvert(args.libvirt, args.json()); }; });
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
  // A command may read a private key, or make one. Programs that it starts may be dumped again.
  absl::Status guarded = ForbidDumps();
  if (guarded.ok()) guarded = GuardOpenSslMemory();
  // gRPC and every command that makes a TLS context come later.
  if (guarded.ok()) guarded = tls::RequireTls13();
  if (!guarded.ok()) return Fail(guarded);

  Arguments args;
  CLI::App app(kAbout, "entropyctl");
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "entropyctl " ENTROPYD_VERSION);
  app.formatter(std::make_shared<HelpFormatter>());
  app.add_option("-o,--output", args.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  AddConnection(app, args.connection);
  AddDemo(app, args);
  AddGet(app, args);
  AddTables(app, args);
  AddAgent(app, args);
  AddReload(app, args);
  AddDrain(app, args);
  AddLibvirt(app, args);
  AddPki(app, args);
  AddGuestBoot(app, args);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (absl::Status status = CheckCommands(app); !status.ok()) return Fail(status);
    const LastAnswer answer = AnswerTo(app, error);
    (answer.wrong_usage ? std::cerr : std::cout) << answer.text;
    return CheckOutput(answer.wrong_usage ? kExitUsage : kExitOk);
  }
  const int result = args.run();
  return args.output_may_close ? result : CheckOutput(result);
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
