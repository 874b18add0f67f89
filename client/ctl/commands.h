// The commands of entropyctl: one function each, in a file of its own (cmd_NAME.cc). The command
// line is parsed in main.cc and nowhere else; commands print to standard output, say
// errors on standard error and return the exit status.
//
// Exit status: 0 ok, 1 failed at run time, 2 wrong usage or configuration, 3 unhealthy,
// 69 the server or agent cannot be reached.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

// Says "entropyctl: MESSAGE" on standard error and gives the exit status that its code stands for.
int Fail(const absl::Status& status);
// The same for a server or agent that was asked, with what to check when it does not answer.
int FailServer(const absl::Status& status);
int FailAgent(const absl::Status& status);

// Flags over environment over client.yaml.
absl::StatusOr<config::v1::Client> LoadClient(const ClientFlags& flags);

// The server's Admin, by the client's configuration.
class AdminClient;
absl::StatusOr<std::unique_ptr<AdminClient>> DialAdmin(const ClientFlags& flags);

struct GetOptions {
  enum class Output { kHex, kRaw, kBase64 };
  uint64_t bytes = 0;
  Output output = Output::kHex;
  bool force = false;  // raw bytes even to a terminal
  bool json = false;
};
int RunGet(const ClientFlags& flags, const GetOptions& options);

int RunStatus(const ClientFlags& flags, bool json);

int RunSources(const ClientFlags& flags, bool json);
// One source with its history; tested, or reset and tested, first when asked. Exit 3 when it is not
// healthy afterwards.
enum class SourceAction { kShow, kTest, kReset };
int RunSource(const ClientFlags& flags, const std::string& name, SourceAction action, bool json);

struct RecordOptions {
  std::string source;
  uint64_t samples = 0;   // of each row
  uint32_t restarts = 0;  // 0 = one row
  std::string out;        // the file; appears when it is complete
  bool force = false;     // replace it
};
int RunRecord(const ClientFlags& flags, const RecordOptions& options, bool json);
int RunSelfTest(const ClientFlags& flags, bool json);
int RunPools(const ClientFlags& flags, bool json);

struct ClassesOptions {
  std::string pool;    // empty = all
  double seconds = 1;  // over which the table's actual rates are measured; 0 = not at all
};
int RunClasses(const ClientFlags& flags, const ClassesOptions& options, bool json);

struct ClassChangeOptions {
  std::string pool_class;            // POOL/CLASS; reset: empty = all
  std::vector<std::string> figures;  // KEY=VALUE, as in server.yaml
  bool dry_run = false;
};
int RunClassesSet(const ClientFlags& flags, const ClassChangeOptions& options, bool json);
int RunClassesReset(const ClientFlags& flags, const ClassChangeOptions& options, bool json);
int RunClassesDiff(const ClientFlags& flags, bool json);
// `file` may be "-", the standard input.
int RunClassesSimulate(const std::string& file, bool json);
int RunAgents(const ClientFlags& flags, bool json);
int RunGuests(const ClientFlags& flags, bool json);
struct GuestSocketOptions {
  std::string name;
  std::string path;  // empty = the agent chooses
  std::string mode;
  std::string group;
};
// The class is --class, or the agent's choice. Prints how to give the socket to QEMU.
int RunGuestsAdd(const ClientFlags& flags, const std::string& pool_class,
                 const GuestSocketOptions& options, bool json);
int RunGuestsRemove(const ClientFlags& flags, const std::string& name, bool json);
struct TopOptions {
  bool once = false;   // else until interrupted
  double seconds = 2;  // between two looks
};
int RunTop(const ClientFlags& flags, const TopOptions& options, bool json);
// The agent's program is started anew and takes the guests over; returns when the new one answers.
int RunAgentUpgrade(const ClientFlags& flags, bool json);
int RunAgentReload(const ClientFlags& flags, bool json);

struct DrainOptions {
  std::string identity;  // empty = the whole server
  std::string reason;
  uint32_t deadline_seconds = 0;
};
int RunDrain(const ClientFlags& flags, const DrainOptions& options, bool json);

struct PkiOptions {
  std::string dir;               // the authority's
  std::string name;              // of the authority (init); of the files and the CN (issue)
  std::string spiffe;            // issue: identity
  std::vector<std::string> dns;  // issue
  std::vector<std::string> ip;   // issue
  std::string out;               // issue: where NAME.crt and NAME.key go; empty = dir
  uint32_t days = 0;             // 0 = the default
  std::string cert;              // revoke
};
int RunPkiInit(const PkiOptions& options, bool json);
int RunPkiIssue(const PkiOptions& options, bool json);
int RunPkiRevoke(const PkiOptions& options, bool json);

struct DemoOptions {
  std::string dir;     // empty = a temporary one
  double seconds = 0;  // 0 = until interrupted
  bool guest = false;
  uint64_t guest_bytes = 0;
  std::string kernel;          // see FindGuestKernel
  std::string accel = "auto";  // auto, kvm, tcg
};
int RunDemo(const DemoOptions& options, bool json);

struct GuestBootOptions {
  std::string socket;
  uint64_t bytes = 0;
  std::string dump;
  std::string kernel;
  std::string accel = "auto";
  double seed_wait_seconds = 25;
  double limit_seconds = 180;
  std::string initramfs;  // not empty: only write what the guest boots from there
};
int RunGuestBoot(const GuestBootOptions& options, bool json);

struct LibvirtOptions {
  std::string domain;                // set, remove
  std::vector<std::string> domains;  // show, lint: empty = all
  std::string connect;               // libvirt URI; empty = virsh's default
  std::string socket;                // the agent's EGD socket; empty = the default
  std::string file;                  // convert: "-" is the standard input
  bool live = false;                 // the running domain, too
  bool only = false;                 // drop the domain's other generators
  bool force = false;                // do not ask the agent
  bool dry_run = false;
};
// The class is `pool_class` of the flags.
int RunLibvirtSet(const ClientFlags& flags, const LibvirtOptions& options, bool json);
int RunLibvirtRemove(const LibvirtOptions& options, bool json);
int RunLibvirtShow(const LibvirtOptions& options, bool json);
// Exit 1 when something was found.
int RunLibvirtLint(const ClientFlags& flags, const LibvirtOptions& options, bool json);
int RunLibvirtConvert(const LibvirtOptions& options, bool json);

}  // namespace entropyd
