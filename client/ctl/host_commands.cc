#include "client/ctl/host_commands.h"

#include "client/ctl/commands.h"

namespace entropyd {
namespace {

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

void AddTop(CLI::App& app, Arguments& args) {
  CLI::App* top = AddTable(app, args, "top",
                           "Show classes and guests of this host's agent by rate, again and again",
                           [&args] { return RunTop(args.connection, args.top, args.json()); });
  top->footer(
      "\nRates are averages over some seconds. P50 and P99: half of the requests, and 99 of 100, "
      "have waited no longer for their bytes. TARGET: as much as BUFFER is to hold. JSON: one "
      "object on each line.");
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
      "\nPrints what differs from before, a line each. Only `control` needs a restart.\n"
      "When it is refused, the old process serves on as before. Exit status 3: it was\n"
      "taken, but the server refuses a class to this host.");
  reload->callback(
      [&args] { args.run = [&args] { return RunAgentReload(args.connection, args.json()); }; });
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
      "lint", "Show what is wrong with the generators of domains; exit 3 if anything is");
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

}  // namespace

void AddHostCommands(CLI::App& app, Arguments& args) {
  AddGuests(app, args);
  AddTop(app, args);
  AddAgent(app, args);
  AddLibvirt(app, args);
}

}  // namespace entropyd
