// The commands of entropyctl, one function each (cmd_NAME.cc); arguments.h has the command line. A
// command prints its answer on standard output and its errors on standard error, and returns the
// exit status. `json` asks for one JSON object instead of text.
//
// Exit status: 0 ok, 1 failed at run time (doctor: found something), 2 wrong usage or
// configuration, or a file that one of them names is missing or wrong, 3 unhealthy (doctor: could
// not look), 69 the server or agent does not answer.
//
// Errors: an exit status, after a message on standard error.
//
// Thread safety: main's thread runs one command.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/client_config.h"

namespace entropyd {

struct GetOptions {
  enum class Output { kHex, kRaw, kBase64 };
  uint64_t bytes = 0;
  Output output = Output::kHex;
  bool force = false;  // raw bytes even to a terminal
  bool json = false;
};
// Writes bytes of a class to standard output.
int RunGet(const ClientFlags& flags, const GetOptions& options);

// Server and agent on one page. Exit 3 when one of them is not well.
int RunStatus(const ClientFlags& flags, bool json);

// All sources as a table.
int RunSources(const ClientFlags& flags, bool json);
// Shows one source with its history. kTest tests it first; kReset resets and tests it first. Exit 3
// when it is not healthy afterwards.
enum class SourceAction { kShow, kTest, kReset };
int RunSource(const ClientFlags& flags, const std::string& name, SourceAction action, bool json);

struct RecordOptions {
  std::string source;
  uint64_t samples = 0;   // of each row
  uint32_t restarts = 0;  // 0 = one row
  std::string out;        // the file; it appears when it is complete
  bool force = false;     // replace the file
};
// Records raw samples of a source in a file.
int RunRecord(const ClientFlags& flags, const RecordOptions& options, bool json);
// Runs every self-test of the server.
int RunSelfTest(const ClientFlags& flags, bool json);
int RunPools(const ClientFlags& flags, bool json);

struct ClassesOptions {
  std::string pool;    // empty = all
  double seconds = 1;  // how long to measure the actual rates of the table; 0 = not at all
};
// The classes as a tree, with their figures.
int RunClasses(const ClientFlags& flags, const ClassesOptions& options, bool json);

struct ClassChangeOptions {
  std::string pool_class;            // POOL/CLASS; reset: empty = all
  std::vector<std::string> figures;  // KEY=VALUE, as in server.yaml
  bool dry_run = false;
};
// Changes figures of a class while the server runs.
int RunClassesSet(const ClientFlags& flags, const ClassChangeOptions& options, bool json);
// Goes back to the figures of server.yaml.
int RunClassesReset(const ClientFlags& flags, const ClassChangeOptions& options, bool json);
// Shows where classes differ from server.yaml.
int RunClassesDiff(const ClientFlags& flags, bool json);
// Shows what a class tree would give to whom. `file` "-" is the standard input.
int RunClassesSimulate(const std::string& file, bool json);
// The agents of the server.
int RunAgents(const ClientFlags& flags, bool json);
// The guests of this host's agent.
int RunGuests(const ClientFlags& flags, bool json);
struct GuestSocketOptions {
  std::string name;
  std::string path;  // empty = the agent chooses
  std::string mode;
  std::string group;
};
// Makes a socket for one guest. The class is --class, or the agent chooses one. Prints how to give
// the socket to QEMU.
int RunGuestsAdd(const ClientFlags& flags, const std::string& pool_class,
                 const GuestSocketOptions& options, bool json);
int RunGuestsRemove(const ClientFlags& flags, const std::string& name, bool json);
struct TopOptions {
  bool once = false;   // else until a signal ends it
  double seconds = 2;  // between two pages
};
// Shows the guests that get most, again and again.
int RunTop(const ClientFlags& flags, const TopOptions& options, bool json);
// Starts the program of the agent again, which takes over the guests. Returns when the new one
// answers.
int RunAgentUpgrade(const ClientFlags& flags, bool json);
// The same with a new configuration. Exit 3 when the server does not serve one of its classes.
int RunAgentReload(const ClientFlags& flags, bool json);

struct DrainOptions {
  std::string identity;  // empty = the whole server
  std::string reason;
  uint32_t deadline_seconds = 0;
  bool end = false;  // undo it; all else is empty
};
// Tells agents to attach elsewhere, or takes them again.
int RunDrain(const ClientFlags& flags, const DrainOptions& options, bool json);

// Has the server take its changed files, or tell which one is bad. Exit 3 when it took them, but
// some keys need a restart.
int RunReload(const ClientFlags& flags, bool json);

struct PkiOptions {
  std::string dir;               // of the authority
  std::string name;              // init: of the authority; issue: of the files, and the CN
  std::string spiffe;            // issue: identity
  std::vector<std::string> dns;  // issue
  std::vector<std::string> ip;   // issue
  std::string out;               // issue: where NAME.crt and NAME.key go; empty = dir
  uint32_t days = 0;             // 0 = the default
  std::string cert;              // revoke: the file
};
// Make an authority, issue a certificate, revoke one (client/pki/pki.h).
int RunPkiInit(const PkiOptions& options, bool json);
int RunPkiIssue(const PkiOptions& options, bool json);
int RunPkiRevoke(const PkiOptions& options, bool json);

struct DemoOptions {
  std::string dir;     // empty = a temporary one
  double seconds = 0;  // 0 = until a signal ends it
  bool guest = false;
  uint64_t guest_bytes = 0;
  std::string kernel;          // see FindGuestKernel
  std::string accel = "auto";  // auto, kvm, tcg
};
// Runs a server, an agent and, if asked, a guest, and shows what they do.
int RunDemo(const DemoOptions& options, bool json);

struct GuestBootOptions {
  std::string socket;
  uint64_t bytes = 0;
  std::string dump;
  std::string kernel;
  std::string accel = "auto";
  double seed_wait_seconds = 25;
  double limit_seconds = 180;
  std::string initramfs;  // not empty: only write the initramfs to this file
};
// Boots a test guest (client/guest_boot/guest_boot.h).
int RunGuestBoot(const GuestBootOptions& options, bool json);

struct DoctorOptions {
  std::string server_config;  // empty = what is found here
  std::string agent_config;
  bool fix = false;      // do what is safe
  bool verbose = false;  // tell what is well, too
};
// Looks for what is wrong with the server and the agent of this machine. Exit 1 when it finds
// something, 3 when it could not look.
int RunDoctor(const ClientFlags& flags, const DoctorOptions& options, bool json);

struct LibvirtOptions {
  std::string domain;                // set, remove
  std::vector<std::string> domains;  // show, lint: empty = all
  std::string connect;               // libvirt URI; empty = virsh's default
  std::string socket;                // the agent's EGD socket; empty = the default
  std::string file;                  // convert: "-" is the standard input
  bool live = false;                 // change the running domain, too
  bool only = false;                 // remove the other generators of the domain
  bool force = false;                // do not ask the agent
  bool dry_run = false;
};
// Lets the agent feed a domain. The class is `pool_class` of the flags.
int RunLibvirtSet(const ClientFlags& flags, const LibvirtOptions& options, bool json);
// Ends that.
int RunLibvirtRemove(const LibvirtOptions& options, bool json);
// Shows the generators and the classes of domains.
int RunLibvirtShow(const LibvirtOptions& options, bool json);
// Checks domains. Exit 3 when it finds something.
int RunLibvirtLint(const ClientFlags& flags, const LibvirtOptions& options, bool json);
// Rewrites <backend model='pool'> of a domain's XML.
int RunLibvirtConvert(const LibvirtOptions& options, bool json);

}  // namespace entropyd
