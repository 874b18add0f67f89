#include "client/doctor/machine.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "base/process/bounded_socket.h"
#include "base/process/fd.h"
#include "base/process/host_port.h"
#include "client/agent_admin_client.h"
#include "client/doctor/run_program.h"
#include "client/health_client.h"

namespace entropyd::doctor {
namespace {

// The agent and the HTTP port are on this machine.
constexpr absl::Duration kNear = absl::Seconds(3);
// A page of metrics of a server with 10,000 agents, and room.
constexpr size_t kMaxPage = 16 << 20;
// /proc/net/tcp of a machine with 100,000 connections.
constexpr size_t kMaxSystemFile = 32 << 20;
constexpr int kMaxGroups = 256;

// A program that listens everywhere listens on the loopback, too.
std::string Near(const HostPort& address) {
  const bool any = address.host == "0.0.0.0" || address.host.empty();
  const std::string host = any ? "127.0.0.1" : address.host == "::" ? "::1" : address.host;
  return absl::StrCat(absl::StrContains(host, ":") ? absl::StrCat("[", host, "]") : host, ":",
                      address.port);
}

absl::StatusOr<HttpAnswer> GetPage(const std::string& address, const std::string& path) {
  const absl::StatusOr<HostPort> where = ParseHostPort(address);
  if (!where.ok()) return where.status();
  const absl::Time deadline = absl::Now() + kNear;
  const NameLookup::Answer found = NameLookup(PlatformAddresses, kNear).Find(Near(*where));
  if (!found.ok()) return found.status();
  absl::StatusOr<UniqueFd> socket = ConnectWithin(found->front(), deadline);
  if (!socket.ok()) return socket.status();
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  absl::StatusOr<std::string> text = ExchangeWithin(socket->get(), request, kMaxPage, deadline);
  if (!text.ok()) return text.status();
  HttpAnswer answer;
  const size_t body = text->find("\r\n\r\n");
  if (!absl::StartsWith(*text, "HTTP/1.") || body == std::string::npos ||
      !absl::SimpleAtoi(text->substr(9, 3), &answer.status)) {
    return absl::UnavailableError(absl::StrCat(address, " does not answer in HTTP"));
  }
  answer.body = text->substr(body + 4);
  return answer;
}

absl::optional<Actor> FindUser(const std::string& name) {
  const passwd* const entry = getpwnam(name.c_str());
  if (entry == nullptr) return absl::nullopt;
  Actor actor = {.name = name, .uid = entry->pw_uid, .groups = {entry->pw_gid}};
  gid_t groups[kMaxGroups];
  int count = kMaxGroups;
  if (getgrouplist(name.c_str(), entry->pw_gid, groups, &count) >= 0) {
    actor.groups.insert(groups, groups + count);
  }
  return actor;
}

}  // namespace

Machine ThisMachine() {
  Machine machine;
  machine.now = [] { return absl::Now(); };
  machine.run = RunProgram;
  machine.resolve = PlatformAddresses;
  machine.http_get = GetPage;
  machine.agent_status = [](const std::string& control) {
    return AgentAdminClient::Create(control, kNear)->GetStatus();
  };
  machine.serving = [](const std::string& server, const config::v1::ClientTls& tls) {
    return ServerHealth(server, tls, absl::Now());
  };
  machine.libvirt = [] { return ConnectVirsh(""); };
  machine.user = FindUser;
  return machine;
}

std::string ReadSystemFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text;
  char buffer[16384];
  for (ssize_t n;
       fd && text.size() < kMaxSystemFile && (n = read(fd.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

}  // namespace entropyd::doctor
