#include "hostagent/endpoint/endpoints.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/endpoint/socket_directory.h"

namespace entropyd {
namespace {

// Groups of this host are in a file: then the answer is there at once.
constexpr absl::Duration kGroupPatience = absl::Milliseconds(100);

}  // namespace

Endpoints::Endpoints(Options options, EventLoop* loop, Log* log, Accepted accepted,
                     Listener::AcceptFailed failed)
    : classes_(std::move(options.classes)),
      guest_socket_dir_(std::move(options.guest_socket_dir)),
      most_guest_sockets_(options.most_guest_sockets),
      loop_(loop),
      log_(log),
      accepted_(std::move(accepted)),
      failed_(std::move(failed)),
      groups_(std::move(options.find_group), loop->clock()) {
  for (EndpointSettings& settings : options.configured) {
    if (settings.group_id.has_value()) groups_.Know(settings.group, *settings.group_id);
    all_[next_id_++].settings = std::move(settings);
  }
}

absl::optional<Endpoints::Id> Endpoints::Find(const std::string& path) const {
  for (const auto& [id, endpoint] : all_) {
    if (endpoint.settings.path == path) return id;
  }
  return absl::nullopt;
}

absl::Status Endpoints::Inherit(std::vector<UniqueFd> sockets) {
  for (UniqueFd& socket : sockets) {
    auto path = SocketPath(socket.get());
    if (!path.ok()) return path.status();
    if (!Find(*path).has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("inherit ", *path,
                       ": no listener of the configuration has this path; add one, or remove "
                       "ListenStream=",
                       *path, " from the socket unit"));
    }
    activated_.insert(*path);
    auto adopted = Adopt(*path, {std::move(socket)});
    if (!adopted.ok()) return adopted.status();
    all_.at(**adopted).listener->WatchFile();
    log_->Info("listener.inherited", {{"path", *path}});
  }
  return absl::OkStatus();
}

absl::Status Endpoints::OpenAll(bool may_wait) {
  for (auto& [id, endpoint] : all_) {
    if (endpoint.listener != nullptr || !endpoint.settings.fifo.empty()) continue;
    absl::Status status = OpenOne(id, kGroupPatience);
    if (status.ok()) continue;
    // One guest's fault must not stop the others.
    const bool of_guest = !endpoint.settings.guest.empty();
    if (!of_guest && !(may_wait && MayCome(endpoint.settings, status))) return status;
    Wait(&endpoint, status);
  }
  return absl::OkStatus();
}

bool Endpoints::MayCome(const EndpointSettings& settings, const absl::Status& why) const {
  if (!settings.tcp && !CheckSocketDirectory(settings.path).ok()) return true;
  // Of a unix socket it means that no name service has answered, even if one has since.
  return absl::IsUnavailable(why) && (settings.tcp || !settings.group.empty());
}

void Endpoints::Wait(Endpoint* endpoint, const absl::Status& why) {
  if (std::exchange(endpoint->problem, why) == why) return;
  if (endpoint->settings.guest.empty()) {
    const absl::string_view remedy =
        endpoint->settings.tcp     ? "give this machine the address, or correct `listen`"
        : absl::IsUnavailable(why) ? "mend the name service, or write the group's number"
                                   : "mend what the reason names";
    LogWaiting(endpoint->settings.path, why, remedy, log_);
    return;
  }
  log_->Error("guest_socket.closed",
              {{"guest", endpoint->settings.guest},
               {"reason", why},
               {"remedy",
                "mend what the reason names, or remove it and add it anew; tried again, "
                "after a minute at the latest"}});
}

void Endpoints::OpenWaiting() {
  bool tried_file = false;
  for (auto& [id, endpoint] : all_) {
    if (endpoint.problem.ok() || endpoint.listener != nullptr) continue;
    if (!endpoint.settings.guest.empty()) {
      if (endpoint.rests > 0) {
        --endpoint.rests;
        continue;
      }
      if (std::exchange(tried_file, true)) continue;
      endpoint.last_rests = std::min(2 * endpoint.last_rests + 1, kMaxRests);
      endpoint.rests = endpoint.last_rests;
    }
    if (const absl::Status status = OpenOne(id); !status.ok()) Wait(&endpoint, status);
  }
}

size_t Endpoints::waiting() const {
  return static_cast<size_t>(std::count_if(all_.begin(), all_.end(), [](const auto& entry) {
    return entry.second.settings.guest.empty() && !entry.second.problem.ok();
  }));
}

absl::StatusOr<std::string> Endpoints::GroupOf(const EndpointSettings& settings,
                                               absl::Duration patience) {
  if (settings.group.empty()) return std::string();
  auto id = groups_.Find(settings.group, patience);
  if (!id.ok()) return id.status();
  return absl::StrCat(*id);
}

absl::Status Endpoints::OpenOne(Id id, absl::Duration patience) {
  const EndpointSettings& wanted = all_.at(id).settings;
  auto group = GroupOf(wanted, patience);
  if (!group.ok()) return group.status();
  return OpenAt(id, wanted.mode, *group);
}

absl::Status Endpoints::OpenAt(Id id, mode_t mode, const std::string& group) {
  Endpoint& endpoint = all_.at(id);
  const EndpointSettings& wanted = endpoint.settings;
  auto listener = wanted.tcp ? Listener::CreateTcp(wanted.path, loop_, AcceptOn(id, true), failed_)
                             : Listener::Create({wanted.path, mode, group}, loop_,
                                                AcceptOn(id, false), failed_);
  if (!listener.ok()) return listener.status();
  endpoint.listener = *std::move(listener);
  endpoint.problem = absl::OkStatus();
  endpoint.access_due = false;
  log_->Info("listener.opened", {{"path", wanted.path},
                                 {"class", classes_[wanted.class_index]},
                                 {"clients", ClientsWord(wanted.clients)}});
  return absl::OkStatus();
}

size_t Endpoints::MakeLostAnew() {
  size_t lost = 0;
  int looks = 0, tries = 0;
  for (auto at = all_.lower_bound(look_from_); at != all_.end(); ++at) {
    const Id id = at->first;
    Endpoint& endpoint = at->second;
    look_from_ = id;
    if (looks++ == kLooksPerCall || tries == kTriesPerCall) return lost;
    if (endpoint.listener == nullptr) continue;
    if (!endpoint.listener->FileIsLost()) {
      if (endpoint.access_due) GiveAccess(&endpoint);
      endpoint.problem = absl::OkStatus();  // it may be there again, with its file system
      continue;
    }
    ++tries;
    const absl::Status before = endpoint.problem;
    if (before.ok()) ++lost;
    const absl::Status made = MakeOneAnew(id);
    endpoint.problem = made;
    if (made.ok() || made != before) LogLost(endpoint.settings.path, made, log_);
  }
  look_from_ = 0;
  return lost;
}

absl::Status Endpoints::MakeOneAnew(Id id) {
  const EndpointSettings& settings = all_.at(id).settings;
  if (!activated_.contains(settings.path)) return OpenOne(id);
  const SocketFile lost = all_.at(id).listener->file();
  if (lost.inode == 0) return OpenOne(id);
  absl::Status made = OpenAt(id, lost.mode, absl::StrCat(lost.group));
  if (made.ok()) activated_.erase(settings.path);
  return made;
}

Listener::Accept Endpoints::AcceptOn(Id id, bool tcp) {
  return [this, id, tcp](UniqueFd socket) {
    if (tcp) {
      // Replies are whole. To delay one until the next gains nothing.
      const int on = 1;
      setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      // A host that dies says nothing.
      setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    accepted_(id, std::move(socket));
  };
}

void Endpoints::Close() {
  for (auto& [id, endpoint] : all_) {
    endpoint.listener = nullptr;
    endpoint.problem = absl::OkStatus();
  }
}

absl::StatusOr<size_t> Endpoints::ClassNamed(const std::string& name) const {
  const auto found = std::find(classes_.begin(), classes_.end(), name);
  if (found != classes_.end()) return static_cast<size_t>(found - classes_.begin());
  return absl::NotFoundError(absl::StrCat("class '", name, "' is not one of this agent's (",
                                          absl::StrJoin(classes_, ", "),
                                          "); choose one of these, or add it to `classes` in "
                                          "agent.yaml and run `entropyctl agent reload`"));
}

Endpoints::GuestSocket Endpoints::Complete(GuestSocket socket) const {
  const EndpointSettings& first = all_.begin()->second.settings;
  if (socket.class_().empty()) socket.set_class_(classes_[first.class_index]);
  if (socket.path().empty()) {
    socket.set_path(absl::StrCat(guest_socket_dir_, "/", socket.name(), ".sock"));
  }
  if (socket.mode().empty()) socket.set_mode("0660");
  if (socket.group().empty()) socket.set_group(first.group);
  return socket;
}

// Only its own directory is made for a guest: another one that is missing is a mistyped path.
absl::Status Endpoints::CheckDirectory(const std::string& path) const {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (directory == guest_socket_dir_ || std::filesystem::is_directory(directory, error)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("listen on ", path, ": there is no directory ",
                                                 directory.string(),
                                                 "; make it, correct the path, or leave it out"));
}

Endpoints::Id Endpoints::Place(const GuestSocket& socket, size_t class_index) {
  EndpointSettings settings;
  settings.path = socket.path();
  settings.mode = static_cast<mode_t>(ParseMode(socket.mode()).value_or(0600));
  settings.group = socket.group();
  settings.class_index = class_index;
  settings.clients = config::v1::CLIENTS_AUTO;
  settings.guest = socket.name();
  const Id id = next_id_++;
  all_[id].settings = std::move(settings);
  of_guests_[socket.name()] = {id, socket};
  return id;
}

void Endpoints::LearnGroups(const config::v1::GuestState& state) {
  for (const GuestSocket& socket : state.guests()) {
    if (!socket.group().empty())
      groups_.Find(socket.group(), kGroupPatience).status().IgnoreError();
  }
}

void Endpoints::Restore(const config::v1::GuestState& state) {
  for (const auto& [name, of_guest] : of_guests_) all_.erase(of_guest.id);
  of_guests_.clear();
  const size_t first_class = all_.begin()->second.settings.class_index;
  for (const GuestSocket& socket : state.guests()) {
    auto class_index = ClassNamed(socket.class_());
    if (!class_index.ok()) {
      log_->Error("guest_socket.class_unknown", {{"guest", socket.name()},
                                                 {"reason", class_index.status()},
                                                 {"served_in", classes_[first_class]}});
    }
    Place(socket, class_index.value_or(first_class));
  }
}

absl::StatusOr<Endpoints::GuestSocket> Endpoints::Add(const GuestSocket& asked,
                                                      absl::optional<gid_t> group) {
  if (group.has_value()) groups_.Know(asked.group(), *group);
  const GuestSocket socket = Complete(asked);
  if (auto status = CheckGuestSocket(socket); !status.ok()) return status;
  if (auto status = CheckDirectory(socket.path()); !status.ok()) return status;
  if (const auto there = of_guests_.find(socket.name()); there != of_guests_.end()) {
    return absl::AlreadyExistsError(
        absl::StrCat("guest '", socket.name(), "' has a socket already, ",
                     there->second.socket.path(), "; remove it first (entropyctl guests ",
                     "remove ", socket.name(), ") or choose another name"));
  }
  // Its file may be lost at present, or its socket may wait.
  for (const auto& [id, endpoint] : all_) {
    if (endpoint.settings.path != socket.path()) continue;
    return absl::AlreadyExistsError(absl::StrCat("another listener of this agent has the path ",
                                                 socket.path(), "; choose another --path"));
  }
  if (of_guests_.size() >= most_guest_sockets_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", of_guests_.size(), " such sockets already; raise max_guests"));
  }
  auto class_index = ClassNamed(socket.class_());
  if (!class_index.ok()) return class_index.status();
  const Id id = Place(socket, *class_index);
  if (auto status = OpenOne(id, kGroupPatience); !status.ok()) {
    of_guests_.erase(socket.name());
    all_.erase(id);
    return status;
  }
  return socket;
}

absl::StatusOr<Endpoints::Removed> Endpoints::Remove(const std::string& name) {
  const auto found = of_guests_.find(name);
  if (found == of_guests_.end()) {
    return absl::NotFoundError(absl::StrCat("no socket was made for a guest '", name,
                                            "'; entropyctl status lists the sockets there are"));
  }
  const Removed removed{found->second.id, found->second.socket};
  all_.erase(removed.id);
  of_guests_.erase(found);
  log_->Info("listener.closed", {{"path", removed.socket.path()}, {"guest", name}});
  return removed;
}

config::v1::GuestState Endpoints::guest_sockets() const {
  config::v1::GuestState state;
  state.set_version(1);
  for (const auto& [name, of_guest] : of_guests_) *state.add_guests() = of_guest.socket;
  return state;
}

std::vector<Endpoints::Id> Endpoints::ids() const {
  std::vector<Id> ids;
  for (const auto& [id, endpoint] : all_) ids.push_back(id);
  return ids;
}

std::vector<Endpoints::Opened> Endpoints::opened() const {
  std::vector<Opened> opened;
  for (const auto& [id, endpoint] : all_) {
    if (endpoint.listener == nullptr) continue;
    const Listener& listener = *endpoint.listener;
    opened.push_back({id, listener.path(), listener.fd(), listener.file()});
  }
  return opened;
}

absl::StatusOr<absl::optional<Endpoints::Id>> Endpoints::Adopt(const std::string& path,
                                                               Listener::HandedOver handed_over) {
  const absl::optional<Id> id = Find(path);
  Listener::Accept accept = [](UniqueFd) {};
  if (id.has_value()) accept = AcceptOn(*id, settings(*id).tcp);
  auto listener = Listener::Adopt(path, std::move(handed_over), loop_, std::move(accept), failed_);
  if (!listener.ok()) return listener.status();
  (id.has_value() ? all_.at(*id).listener : dropped_.emplace_back()) = *std::move(listener);
  return id;
}

void Endpoints::Own() {
  for (auto& [id, endpoint] : all_) {
    if (endpoint.listener == nullptr || endpoint.settings.tcp) continue;
    if (activated_.contains(endpoint.settings.path)) {
      endpoint.listener->WatchFile();
      continue;
    }
    endpoint.listener->Own();
    if (!endpoint.listener->FileIsLost()) GiveAccess(&endpoint);
  }
  for (const std::unique_ptr<Listener>& listener : dropped_) {
    log_->Info("listener.closed", {{"path", listener->path()}});
    if (!activated_.contains(listener->path())) listener->Own();
  }
  dropped_.clear();
}

// Until its number is known, the file keeps the group that its maker has given it.
void Endpoints::GiveAccess(Endpoint* endpoint) {
  const EndpointSettings& wanted = endpoint->settings;
  const auto group = GroupOf(wanted);
  endpoint->access_due = absl::IsUnavailable(group.status());
  if (endpoint->access_due) return;
  absl::Status given = group.status();
  if (given.ok()) given = endpoint->listener->SetAccess(wanted.mode, *group);
  if (!given.ok()) log_->Error("listener.access", {{"path", wanted.path}, {"reason", given}});
}

void Endpoints::Disown() {
  for (auto& [id, endpoint] : all_) {
    if (endpoint.listener != nullptr) endpoint.listener->Disown();
  }
}

}  // namespace entropyd
