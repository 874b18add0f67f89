#include "client/doctor/process_facts.h"

#include <dirent.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace entropyd::doctor {
namespace {

std::string ReadLink(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = readlink(path.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<size_t>(length)) : "";
}

// The names in a directory that are numbers, in their order.
std::vector<pid_t> Numbers(const std::string& directory) {
  std::vector<pid_t> numbers;
  DIR* const listing = opendir(directory.c_str());
  if (listing == nullptr) return numbers;
  while (const dirent* const entry = readdir(listing)) {
    pid_t number = 0;
    if (absl::SimpleAtoi(entry->d_name, &number)) numbers.push_back(number);
  }
  closedir(listing);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The line of a file in /proc that begins with `key`, without the key.
std::string Field(const std::string& text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, key)) return std::string(absl::StripAsciiWhitespace(line));
  }
  return "";
}

uint64_t Number(absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  uint64_t number = 0;
  if (words.empty()) return 0;
  if (words.front() == "unlimited") return kNoLimit;
  return absl::SimpleAtoi(words.front(), &number) ? number : 0;
}

void ReadStatus(const std::string& status, Process* process) {
  // Real, effective, saved, of the file system: the second counts.
  const std::string uids = Field(status, "Uid:");
  process->owner = static_cast<uid_t>(Number(uids));
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(uids, absl::MaxSplits('\t', 1));
  const auto uid = static_cast<uid_t>(Number(parts.second));
  process->actor.uid = uid;
  process->actor.name = uid == 0 ? "root" : absl::StrCat("user ", uid);
  for (const char* key : {"Gid:", "Groups:"}) {
    const std::string line = Field(status, key);
    for (absl::string_view word : absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
      process->actor.groups.insert(static_cast<gid_t>(Number(word)));
    }
  }
  (void)absl::SimpleHexAtoi(Field(status, "CapEff:"), &process->capabilities);
  const auto has = [&](int capability) { return (process->capabilities >> capability & 1) != 0; };
  process->actor.overrides = has(CAP_DAC_OVERRIDE);
  process->actor.reads_all = has(CAP_DAC_READ_SEARCH);
  process->actor.locks_all = has(CAP_IPC_LOCK);
  process->locked_kib = Number(Field(status, "VmLck:"));
  process->resident_kib = Number(Field(status, "VmRSS:"));
}

// A line of /proc/PID/limits has the soft limit and the hard one, to which our programs raise it.
uint64_t HardLimit(const std::string& limits, absl::string_view key) {
  const std::string line = Field(limits, key);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(line, absl::MaxSplits(' ', 1));
  return Number(parts.second);
}

// "FILE" of `--config FILE` or `--config=FILE`.
std::string ConfigOf(const std::string& command_line) {
  const std::vector<std::string> words = absl::StrSplit(command_line, '\0', absl::SkipEmpty());
  for (size_t i = 1; i < words.size(); ++i) {
    absl::string_view word = words[i];
    if (word == "--config" && i + 1 < words.size()) return words[i + 1];
    if (absl::ConsumePrefix(&word, "--config=")) return std::string(word);
  }
  return "";
}

Process ReadProcess(const std::string& directory, pid_t pid) {
  Process process;
  process.pid = pid;
  ReadStatus(ReadSystemFile(directory + "/status"), &process);
  const std::string limits = ReadSystemFile(directory + "/limits");
  process.descriptors = HardLimit(limits, "Max open files");
  process.locked_limit = HardLimit(limits, "Max locked memory");
  return process;
}

// The inodes of the sockets that listen on the port, by a table of /proc/net.
void AddInodes(const std::string& table, int port, std::set<std::string>* inodes) {
  for (absl::string_view line : absl::StrSplit(table, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    // sl local_address rem_address st … inode; 0A is LISTEN.
    if (words.size() < 10 || words[3] != "0A") continue;
    uint32_t number = 0;
    const std::pair<absl::string_view, absl::string_view> local = absl::StrSplit(words[1], ':');
    if (absl::SimpleHexAtoi(local.second, &number) && static_cast<int>(number) == port) {
      inodes->insert(absl::StrCat("socket:[", words[9], "]"));
    }
  }
}

}  // namespace

std::vector<Process> FindProcesses(const Machine& machine, const std::string& name,
                                   const std::string& default_config, const Believed& believed) {
  std::vector<Process> found;
  const std::string proc = machine.System("/proc");
  const std::string own_space = ReadLink(proc + "/self/ns/pid");
  for (const pid_t pid : Numbers(proc)) {
    const std::string directory = absl::StrCat(proc, "/", pid);
    if (absl::StripSuffix(ReadSystemFile(directory + "/comm"), "\n") != name) continue;
    const std::string command_line = ReadSystemFile(directory + "/cmdline");
    if (command_line.empty()) continue;  // it has ended
    const std::string space = ReadLink(directory + "/ns/pid");
    if (!space.empty() && !own_space.empty() && space != own_space) continue;
    Process process = ReadProcess(directory, pid);
    if (pid != believed.main_pid && believed.owners.count(process.owner) == 0) continue;
    process.config = ConfigOf(command_line);
    if (process.config.empty()) process.config = default_config;
    if (process.config[0] != '/') {
      process.config = absl::StrCat(ReadLink(directory + "/cwd"), "/", process.config);
    }
    found.push_back(std::move(process));
  }
  return found;
}

absl::optional<Process> OwnProcess(const Machine& machine) {
  const std::string directory = machine.System("/proc/self");
  if (ReadSystemFile(directory + "/status").empty()) return absl::nullopt;
  return ReadProcess(directory, 0);
}

std::string NameOfProcess(const Machine& machine, pid_t pid) {
  return std::string(absl::StripAsciiWhitespace(
      ReadSystemFile(machine.System(absl::StrCat("/proc/", pid, "/comm")))));
}

std::vector<pid_t> ListenersOnPort(const Machine& machine, int port) {
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    AddInodes(ReadSystemFile(machine.System(table)), port, &inodes);
  }
  if (inodes.empty()) return {};
  std::vector<pid_t> pids;
  const std::string proc = machine.System("/proc");
  for (const pid_t pid : Numbers(proc)) {
    const std::string files = absl::StrCat(proc, "/", pid, "/fd");
    const std::vector<pid_t> fds = Numbers(files);
    const bool has = std::any_of(fds.begin(), fds.end(), [&](pid_t fd) {
      return inodes.count(ReadLink(absl::StrCat(files, "/", fd))) > 0;
    });
    if (has) pids.push_back(pid);
  }
  if (pids.empty()) pids.push_back(0);
  return pids;
}

}  // namespace entropyd::doctor
