#include "hostagent/agent_config.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/class_tree/class_tree.h"
#include "base/crypto/tls.h"
#include "base/process/host_port.h"
#include "base/process/listen_socket.h"
#include "base/process/nanos.h"
#include "base/process/state_dir.h"
#include "base/text/names.h"
#include "hostagent/config_warnings.h"
#include "hostagent/endpoint/group_lookup.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/endpoint/socket_directory.h"
#include "hostagent/endpoint/tcp_address.h"
#include "hostagent/handover/protocol.h"
#include "hostagent/host_id.h"

namespace entropyd {
namespace {

constexpr uint64_t kDefaultBuffer = 256 * 1024;  // a second's worth at 256 KiB/s
// a host keeps no byte for longer than a minute
constexpr uint64_t kDefaultMaxAgeNanos = kMinuteNanos;
constexpr size_t kMaxClasses = 64;  // channels on one Attach stream
// A name service that works has answered by then.
constexpr absl::Duration kGroupPatience = absl::Seconds(1);
constexpr size_t kMaxErrors = 10;  // as the loader tells at most
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

// The same for all spellings of one path. A link at its end stays: a socket does not follow it.
std::string OneSpelling(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  std::error_code error;
  const std::filesystem::path directory =
      std::filesystem::weakly_canonical(whole.parent_path(), error);
  return error ? whole.string() : (directory / whole.filename()).string();
}

// The same for all spellings of one address. No path looks like it.
std::string OneSpelling(const TcpAddress& address) {
  return std::string(reinterpret_cast<const char*>(&address.storage), address.length);
}

class Checker {
 public:
  // `strict`: also refuse what a start would mend, but is more likely a mistake.
  Checker(const config::v1::HostAgent& config, const config::Locations& locations, bool strict)
      : config_(config), locations_(locations), strict_(strict) {}

  absl::StatusOr<AgentSettings> Check() {
    settings_.max_guests = config_.max_guests();
    settings_.max_connections_per_guest = config_.max_connections_per_guest();
    CheckServers();
    CheckGuestMetrics();
    CheckStateDirectory();
    CheckControl();
    settings_.control = config_.control();
    settings_.guest_socket_dir = GuestSocketDir();
    for (int i = 0; i < config_.listeners_size(); ++i) CheckListener(i);
    CheckMetrics();
    CheckKernelFeed();
    settings_.named_classes = settings_.classes.size();
    CheckClasses();
    if (settings_.classes.size() > kMaxClasses) {
      Fail("listeners", absl::StrCat("and classes name ", settings_.classes.size(),
                                     " classes, an agent has at most ", kMaxClasses,
                                     "; let some listeners share a class, or remove some"));
    }
    settings_.warnings = AgentConfigWarnings(config_, locations_);
    if (!errors_.empty()) {
      if (errors_.size() > kMaxErrors) errors_.resize(kMaxErrors);
      return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
    }
    return std::move(settings_);
  }

 private:
  void Fail(absl::string_view path, absl::string_view message) {
    errors_.emplace_back(locations_.Error(path, message).message());
  }

  void CheckServers() {
    std::set<std::string> seen;
    for (int i = 0; i < config_.servers_size(); ++i) {
      const std::string& server = config_.servers(i);
      const std::string path = absl::StrCat("servers[", i, "]");
      if (!ParseRemoteHostPort(server).ok()) {
        Fail(path, absl::StrCat("'", server, "' is not HOST:PORT; write e.g. entropyd-0:7743"));
      } else if (!seen.insert(server).second) {
        Fail(path, absl::StrCat("'", server, "' is listed twice; remove one"));
      }
    }
  }

  void CheckMetrics() {
    if (config_.metrics().empty()) return;
    if (auto address = ParseHostPort(config_.metrics()); !address.ok()) {
      Fail("metrics", address.status().message());
      return;
    }
    // A start waits for the address, and for a name service.
    if (const absl::Status has = strict_ ? CheckListen(config_.metrics()) : absl::OkStatus();
        !has.ok()) {
      Fail("metrics", has.message());
    }
    for (int i = 0; i < config_.listeners_size(); ++i) {
      if (!WantOneSocket(config_.metrics(), config_.listeners(i).listen())) continue;
      Fail("metrics", absl::StrCat("'", config_.metrics(), "' is taken by listeners[", i,
                                   "].listen already; choose another port"));
    }
  }

  void CheckStateDirectory() {
    if (auto status = CheckStateDir(config_.state_dir()); !status.ok()) {
      Fail("state_dir", status.message());
    }
  }

  std::string GuestSocketDir() const {
    return absl::StrCat(config_.control().substr(0, config_.control().rfind('/')), "/guest");
  }

  // The socket for successors stands beside the control socket, under a longer name.
  void CheckControl() {
    const std::string handover = HandoverPath(config_.control());
    if (config_.control().size() <= kMaxSocketPath && handover.size() > kMaxSocketPath) {
      Fail("control", absl::StrCat("a socket's path has at most ", kMaxSocketPath, " characters, '",
                                   handover, "' beside it has ", handover.size()));
    }
    CheckPath("control", config_.control());
    paths_.emplace(OneSpelling(handover), "control");
    // One for a guest whose name is short has to fit, or `guests add` would never work.
    const std::string of_guest = absl::StrCat(GuestSocketDir(), "/x.sock");
    if (strict_ && handover.size() <= kMaxSocketPath && of_guest.size() > kMaxSocketPath) {
      Fail("control", absl::StrCat("a socket's path has at most ", kMaxSocketPath, " characters, '",
                                   of_guest, "', of a guest with the shortest name, has ",
                                   of_guest.size(), "; choose a shorter directory"));
    }
  }

  void CheckGuestMetrics() {
    absl::string_view text = config_.guest_metrics();
    uint32_t most = 0;
    if (text == "all") {
      settings_.guest_metrics = std::numeric_limits<size_t>::max();
    } else if (absl::ConsumePrefix(&text, "top:") && absl::SimpleAtoi(text, &most) && most > 0) {
      settings_.guest_metrics = most;
    } else if (text != "off") {
      Fail("guest_metrics",
           absl::StrCat("'", config_.guest_metrics(), "' is not off, all or top:N, e.g. top:100"));
    }
  }

  void CheckClasses() {
    std::set<std::string> sorted;
    for (const auto& [name, unused] : config_.classes()) sorted.insert(name);
    for (const std::string& name : sorted) {
      if (CheckClassName(absl::StrCat("classes[", name, "]"), name)) ClassIndex(name);
    }
  }

  // Paths of sockets and pipes: absolute, a socket's short enough, each used once.
  void CheckPath(const std::string& key, const std::string& path, bool socket = true) {
    if (path.empty() || path[0] != '/') {
      Fail(key, absl::StrCat("'", path, "' is not an absolute path"));
    } else if (socket && path.size() > kMaxSocketPath) {
      Fail(key, absl::StrCat("a socket's path has at most ", kMaxSocketPath,
                             " characters, this has ", path.size()));
    } else if (auto [other, inserted] = paths_.emplace(OneSpelling(path), key); !inserted) {
      Fail(key, absl::StrCat("'", path, "' is taken by ", other->second, " already"));
    } else {
      CheckPlace(key, path, socket);
    }
  }

  // The agent makes the directory of its control socket, and those below. Another one that is
  // missing is a mistyped path, or was on a file system that a boot empties; a start makes it.
  void CheckDirectory(const std::string& key, const std::string& path) {
    const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
    const std::string directory = whole.parent_path().string();
    const std::string own =
        std::filesystem::path(config_.control()).lexically_normal().parent_path();
    std::error_code error;
    if (path.empty() || path[0] != '/' || directory == own ||
        absl::StartsWith(directory, absl::StrCat(own, "/")) ||
        std::filesystem::exists(directory, error) || error) {
      return;
    }
    Fail(key, absl::StrCat("'", path, "': there is no directory ", directory,
                           "; make it, or correct the path"));
  }

  // What is there is left by an earlier process, or it is in the way.
  void CheckPlace(const std::string& key, const std::string& path, bool socket) {
    // Listeners and pipes may wait for a safe directory. Without its control socket an agent could
    // not be told anything.
    if (strict_ || key == "control") {
      if (auto status = CheckSocketDirectory(path); !status.ok()) Fail(key, status.message());
    }
    struct stat found;
    if (lstat(path.c_str(), &found) != 0) {
      if (errno == ENOTDIR) {
        Fail(key, absl::StrCat("'", path, "' leads through a file; correct the path"));
      } else if (const absl::Status place = strict_ ? CheckNewFile(path) : absl::OkStatus();
                 !place.ok()) {
        Fail(key, place.message());
      }
    } else if (socket ? !S_ISSOCK(found.st_mode) : !S_ISFIFO(found.st_mode)) {
      Fail(key, absl::StrCat("'", path, "' is there and is no ", socket ? "socket" : "pipe",
                             "; choose another path"));
    }
  }

  bool CheckClassName(const std::string& key, const std::string& name) {
    const std::vector<std::string> parts = absl::StrSplit(name, '/');
    if (parts.size() != 2) {
      Fail(key,
           absl::StrCat(Excerpt(name), " is not a class; write POOL/CLASS, e.g. default/gold"));
      return false;
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      const absl::Status status = CheckName(parts[i]);
      if (status.ok()) continue;
      Fail(key, absl::StrCat(Excerpt(name), " is not a class: ", i == 0 ? "POOL" : "CLASS", ": ",
                             status.message()));
      return false;
    }
    return true;
  }

  void CheckListener(int i) {
    const config::v1::ListenerConfig& listener = config_.listeners(i);
    const std::string key = absl::StrCat("listeners[", i, "]");
    AgentSettings::Socket socket;
    socket.path = listener.path();
    socket.group = listener.group();
    socket.clients = listener.clients();
    std::vector<absl::string_view> ways;
    if (!listener.path().empty()) ways.push_back("`path`");
    if (!listener.listen().empty()) ways.push_back("`listen`");
    if (!listener.fifo().empty()) ways.push_back("`fifo`");
    if (ways.size() > 1) {
      Fail(key, absl::StrCat("has ", absl::StrJoin(ways, " and "), "; keep one of them"));
    } else if (ways.empty()) {
      Fail(key,
           "needs either `path`, a unix socket, or `listen`, IP:PORT, or `fifo`, a named pipe");
    } else if (!listener.path().empty()) {
      CheckPath(key + ".path", listener.path());
      if (strict_) CheckDirectory(key + ".path", listener.path());
    } else if (!listener.fifo().empty()) {
      socket.path = absl::StrCat("fifo:", listener.fifo());
      socket.fifo = listener.fifo();
      CheckFifo(key, listener);
    } else {
      socket.path = listener.listen();
      socket.tcp = true;
      CheckTcp(key, listener);
    }
    socket.identify = listener.identify();
    socket.refuse_unknown = listener.unknown() == config::v1::UNKNOWN_PEER_REFUSE;
    if (socket.refuse_unknown && socket.identify == config::v1::IDENTIFY_NONE) {
      Fail(key + ".unknown", "refuse needs identify: libvirt or cgroup, or nobody would be known");
    }
    uint32_t mode = socket.fifo.empty() ? 0660 : 0640;
    if (!listener.mode().empty() && !ParseOctal(listener.mode(), &mode)) {
      Fail(key + ".mode",
           absl::StrCat("'", listener.mode(), "' is not a file mode; write e.g. \"0660\", quoted"));
    } else if (!socket.fifo.empty() && (mode & 0022) != 0) {
      Fail(key + ".mode", absl::StrCat("'", listener.mode(),
                                       "' lets others write into the pipe, and readers would take "
                                       "their bytes for entropy; use \"0640\", or \"0644\" when "
                                       "everybody may read"));
    }
    socket.mode = static_cast<mode_t>(mode);
    CheckGroup(key + ".group", &socket);
    if (CheckClassName(key + ".class", listener.class_())) {
      socket.class_index = ClassIndex(listener.class_());
    }
    settings_.listeners.push_back(std::move(socket));
  }

  // A start does not wait for a name service: the sockets of other groups have to open.
  void CheckGroup(const std::string& key, AgentSettings::Socket* socket) {
    if (socket->group.empty() && !locations_.Has(key)) return;
    const auto group =
        strict_ ? FindGroup(socket->group) : groups_.Find(socket->group, kGroupPatience);
    if (group.ok()) {
      socket->group_id = *group;
    } else if (!absl::IsUnavailable(group.status()) || !socket->fifo.empty()) {
      Fail(key, group.status().message());
    }
  }

  void CheckTcp(const std::string& key, const config::v1::ListenerConfig& listener) {
    const std::string& address = listener.listen();
    auto parsed = ParseTcpAddress(address);
    if (!parsed.ok()) {
      Fail(key + ".listen", parsed.status().message());
    } else if (!parsed->loopback && !listener.allow_remote()) {
      Fail(key + ".listen",
           absl::StrCat("'", address,
                        "' can be reached by others, who would read the bytes in "
                        "clear; use 127.0.0.1 or [::1], or set allow_remote: true"));
    } else if (auto [other, inserted] = paths_.emplace(OneSpelling(*parsed), key); !inserted) {
      Fail(key + ".listen",
           absl::StrCat("'", address, "' is taken by ", other->second, " already"));
    }
    if (!listener.group().empty()) Fail(key + ".group", "a TCP port has no group; remove it");
  }

  // Nobody connects to a pipe, so there is no peer to identify.
  void CheckFifo(const std::string& key, const config::v1::ListenerConfig& listener) {
    CheckPath(key + ".fifo", listener.fifo(), /*socket=*/false);
    if (strict_) CheckDirectory(key + ".fifo", listener.fifo());
    const std::pair<const char*, bool> senseless[] = {
        {"clients", listener.clients() != config::v1::CLIENTS_AUTO},
        {"identify", listener.identify() != config::v1::IDENTIFY_NONE},
        {"unknown", listener.unknown() != config::v1::UNKNOWN_PEER_DEFAULT},
        {"allow_remote", listener.allow_remote()}};
    for (const auto& [name, given] : senseless) {
      if (given) {
        Fail(absl::StrCat(key, ".", name),
             "has no meaning for a fifo, whose readers are not known; remove it");
      }
    }
  }

  void CheckKernelFeed() {
    if (!config_.has_feed_kernel()) return;
    const config::v1::KernelFeedConfig& feed = config_.feed_kernel();
    AgentSettings::KernelFeed settings;
    settings.bytes = static_cast<uint32_t>(feed.bytes());
    settings.every_nanos = static_cast<int64_t>(feed.every());
    settings.credit_bits = feed.credit_bits();
    if (feed.credit_bits() > 8 * feed.bytes()) {
      Fail("feed_kernel.credit_bits",
           absl::StrCat(feed.credit_bits(), " bits are more than ", feed.bytes(),
                        " bytes hold; claim at most ", 8 * feed.bytes(), ", or raise bytes"));
    }
    if (CheckClassName("feed_kernel.class", feed.class_())) {
      settings.class_index = ClassIndex(feed.class_());
    }
    settings_.kernel_feed = settings;
  }

  static bool ParseOctal(const std::string& text, uint32_t* mode) {
    *mode = 0;
    if (text.empty() || text.size() > 4) return false;
    for (char c : text) {
      if (c < '0' || c > '7') return false;
      *mode = *mode * 8 + static_cast<uint32_t>(c - '0');
    }
    return *mode <= 0777;
  }

  size_t ClassIndex(const std::string& name) {
    auto [found, inserted] = index_.emplace(name, settings_.classes.size());
    if (!inserted) return found->second;
    const auto own = config_.classes().find(name);
    const config::v1::AgentClassConfig none;
    const config::v1::AgentClassConfig& special =
        own == config_.classes().end() ? none : own->second;
    const config::v1::AgentClassConfig& general = config_.defaults();
    auto pick = [](uint64_t first, uint64_t second, uint64_t otherwise) {
      return first != 0 ? first : second != 0 ? second : otherwise;
    };
    AgentSettings::Class c;
    c.name = name;
    c.buffer_bytes = pick(special.buffer(), general.buffer(), kDefaultBuffer);
    c.max_age_nanos =
        static_cast<int64_t>(pick(special.max_age(), general.max_age(), kDefaultMaxAgeNanos));
    c.guest_ceil = pick(special.guest_ceil(), general.guest_ceil(), ClassTree::kUnlimited);
    const config::v1::OnUpstreamLoss loss =
        special.on_upstream_loss() != config::v1::ON_UPSTREAM_LOSS_UNSPECIFIED
            ? special.on_upstream_loss()
            : general.on_upstream_loss();
    c.on_upstream_loss = loss == config::v1::ON_UPSTREAM_LOSS_LOCAL ? OnUpstreamLoss::kLocal
                                                                    : OnUpstreamLoss::kBlock;
    settings_.classes.push_back(std::move(c));
    return found->second;
  }

  const config::v1::HostAgent& config_;
  const config::Locations& locations_;
  const bool strict_;
  GroupLookup groups_;
  AgentSettings settings_;
  std::map<std::string, size_t> index_;       // class name -> settings_.classes
  std::map<std::string, std::string> paths_;  // of OneSpelling() -> the key that has it
  std::vector<std::string> errors_;
};

}  // namespace

absl::StatusOr<AgentSettings> ResolveAgentConfig(const config::v1::HostAgent& config,
                                                 const config::Locations& locations) {
  return Checker(config, locations, /*strict=*/false).Check();
}

absl::Status CheckAgentState(const config::v1::HostAgent& config) {
  if (auto status = CheckHostId(config.state_dir()); !status.ok()) return status;
  return LoadGuestSockets(config.state_dir()).status();
}

absl::StatusOr<std::vector<std::string>> CheckAgentConfig(const config::v1::HostAgent& config,
                                                          const config::Locations& locations,
                                                          const Clock* clock) {
  auto settings = Checker(config, locations, /*strict=*/true).Check();
  if (!settings.ok()) return settings.status();
  if (auto status = CheckAgentState(config); !status.ok()) return status;
  absl::Status material = tls::LoadMaterial(config.tls().cert(), config.tls().key(),
                                            config.tls().ca(), "", clock->WallTime())
                              .status();
  if (material.ok()) return std::move(settings->warnings);
  const absl::string_view key = tls::MaterialKey(material);
  const std::string path = absl::StrCat("tls", key.empty() ? "" : ".", key);
  return locations.At(path, material);
}

}  // namespace entropyd
