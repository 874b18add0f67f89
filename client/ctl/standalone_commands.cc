#include "client/ctl/standalone_commands.h"

#include <cstdint>
#include <functional>
#include <string>

#include "client/ctl/commands.h"

namespace entropyd {
namespace {

constexpr uint64_t kMaxGuest = uint64_t{64} << 20;  // the guest keeps them in its memory

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
  CLI::Option* const guest = demo->add_flag("--guest", args.demo.guest,
                                            "boot a QEMU guest with virtio-rng and one without");
  demo->add_option("--guest-bytes", args.demo_guest_bytes,
                   "how much the guest reads (default 256KiB)")
      ->transform(SizeText(kMaxGuest));
  AddKernel(demo, &args.demo.kernel, &args.demo.accel);
  for (const char* of_guest : {"--guest-bytes", "--kernel", "--accel"}) {
    demo->get_option(of_guest)->needs(guest);
  }
  demo->callback([&args] {
    args.output_may_close = true;
    args.run = [&args] {
      args.demo.guest_bytes = SizeNumber(args.demo_guest_bytes);
      return RunDemo(args.demo, args.json());
    };
  });
}

void AddDoctor(CLI::App& app, Arguments& args) {
  CLI::App* doctor = AddTable(
      app, args, "doctor", "Find out what is wrong with the server or the agent of this machine",
      [&args] { return RunDoctor(args.connection, args.doctor, args.json()); });
  doctor->footer(
      "\n  entropyctl doctor                 as root, on a server or a hypervisor\n"
      "  entropyctl doctor --verbose       and what is well\n"
      "  entropyctl doctor --fix           does what is safe, and lists it\n"
      "\nEach finding says what is wrong, why that matters, and the command that mends it; the "
      "worst is first. It starts and stops nothing, and touches no guest. --fix takes rights to "
      "our keys and directories away from others, and makes directories of ours that are missing.\n"
      "\nExit status: 0 nothing found, 1 something found, 3 it could not look at everything.");
  doctor->add_option("--server-config", args.doctor.server_config,
                     "server.yaml (default: that of the server here)");
  doctor->add_option("--agent-config", args.doctor.agent_config,
                     "agent.yaml (default: that of the agent here)");
  doctor->add_flag("--fix", args.doctor.fix, "do what is safe");
  doctor->add_flag("--verbose", args.doctor.verbose, "a line for each check that passes, too");
}

void AddGuestBoot(CLI::App& app, Arguments& args) {
  CLI::App* boot = app.add_subcommand("guest-boot", "Boot a test guest on an EGD socket");
  boot->group("");  // for tests and benchmarks: it works, but --help does not list it
  boot->add_option("--socket", args.guest_boot.socket,
                   "EGD socket; absent = a guest without a device");
  boot->add_option("--bytes", args.guest_boot_bytes, "to read from /dev/hwrng (default 64KiB)")
      ->transform(SizeText(kMaxGuest));
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
      args.guest_boot.bytes = SizeNumber(args.guest_boot_bytes);
      return RunGuestBoot(args.guest_boot, args.json());
    };
  });
}

}  // namespace

void AddStandaloneCommands(CLI::App& app, Arguments& args) {
  AddDoctor(app, args);
  AddDemo(app, args);
  AddPki(app, args);
  AddGuestBoot(app, args);
}

}  // namespace entropyd
