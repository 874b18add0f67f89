// Sockets for single guests, which come and go while the agent runs.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hostagent/endpoint/guest_sockets_file.h"
#include "hostagent/guest_service.h"

namespace entropyd {
namespace {

using config::v1::GuestSocket;

}  // namespace

absl::StatusOr<size_t> GuestService::ClassNamed(const std::string& name) const {
  std::vector<std::string> known;
  for (size_t i = 0; i < settings_.classes.size(); ++i) {
    if (settings_.classes[i].name == name) return i;
    known.push_back(settings_.classes[i].name);
  }
  return absl::NotFoundError(absl::StrCat("class '", name, "' is not one of this agent's (",
                                          absl::StrJoin(known, ", "),
                                          "); choose one of these, or add it to `classes` in "
                                          "agent.yaml and restart"));
}

GuestSocket GuestService::Complete(GuestSocket socket) const {
  const AgentSettings::Socket& first = settings_.listeners.front();
  if (socket.class_().empty()) socket.set_class_(settings_.classes[first.class_index].name);
  if (socket.path().empty()) {
    socket.set_path(absl::StrCat(settings_.guest_socket_dir, "/", socket.name(), ".sock"));
  }
  if (socket.mode().empty()) socket.set_mode("0660");
  if (socket.group().empty()) socket.set_group(first.group);
  return socket;
}

size_t GuestService::PlaceSocket(const GuestSocket& socket, size_t class_index) {
  AgentSettings::Socket place;
  place.path = socket.path();
  place.mode = static_cast<mode_t>(ParseMode(socket.mode()).value_or(0600));
  place.group = socket.group();
  place.class_index = class_index;
  place.clients = config::v1::CLIENTS_AUTO;
  place.clients_name = "auto";
  place.guest = socket.name();
  // The place of one that is gone, so that a host that starts and ends guests all day needs no
  // more.
  auto free = std::find_if(settings_.listeners.begin(), settings_.listeners.end(),
                           [](const auto& listener) { return listener.path.empty(); });
  if (free == settings_.listeners.end()) {
    free = settings_.listeners.insert(free, AgentSettings::Socket());
    connections_.push_back(0);
    listeners_.resize(settings_.listeners.size());
  }
  *free = std::move(place);
  guest_sockets_[socket.name()] = socket;
  return static_cast<size_t>(free - settings_.listeners.begin());
}

void GuestService::RestoreGuestSockets(const config::v1::GuestState& state) {
  for (const GuestSocket& socket : state.guests()) {
    auto class_index = ClassNamed(socket.class_());
    if (!class_index.ok()) {
      log_->Error("guest_socket.class_unknown",
                  {{"guest", socket.name()},
                   {"reason", class_index.status()},
                   {"served_in", settings_.classes[settings_.listeners.front().class_index].name}});
    }
    PlaceSocket(socket, class_index.value_or(settings_.listeners.front().class_index));
  }
}

absl::StatusOr<GuestSocket> GuestService::AddGuestSocket(const GuestSocket& asked) {
  const GuestSocket socket = Complete(asked);
  if (auto status = CheckGuestSocket(socket); !status.ok()) return status;
  if (guest_sockets_.contains(socket.name())) {
    return absl::AlreadyExistsError(
        absl::StrCat("guest '", socket.name(), "' has a socket already, ",
                     guest_sockets_[socket.name()].path(), "; remove it first (entropyctl guests ",
                     "remove ", socket.name(), ") or choose another name"));
  }
  if (guest_sockets_.size() >= settings_.max_guests) {
    return absl::ResourceExhaustedError(absl::StrCat("there are ", guest_sockets_.size(),
                                                     " such sockets already; raise max_guests"));
  }
  auto class_index = ClassNamed(socket.class_());
  if (!class_index.ok()) return class_index.status();
  if (!socket.group().empty()) {
    if (auto group = FindGroup(socket.group()); !group.ok()) return group.status();
  }
  const size_t place = PlaceSocket(socket, *class_index);
  if (auto status = OpenListener(place); !status.ok()) {
    VacateSocket(socket.name());
    return status;
  }
  return socket;
}

void GuestService::VacateSocket(const std::string& name) {
  guest_sockets_.erase(name);
  for (size_t i = 0; i < settings_.listeners.size(); ++i) {
    if (settings_.listeners[i].guest != name) continue;
    if (i < listeners_.size()) listeners_[i] = nullptr;
    settings_.listeners[i] = AgentSettings::Socket();
  }
}

absl::StatusOr<GuestSocket> GuestService::RemoveGuestSocket(const std::string& name) {
  const auto found = guest_sockets_.find(name);
  if (found == guest_sockets_.end()) {
    return absl::NotFoundError(absl::StrCat("no socket was made for a guest '", name,
                                            "'; entropyctl status lists the sockets there are"));
  }
  const GuestSocket removed = found->second;
  std::vector<Connection*> leaving;
  for (const auto& [id, guest] : guests_) {
    if (settings_.listeners[guest->options().listener].guest == name)
      leaving.push_back(guest.get());
  }
  for (Connection* guest : leaving) guest->Close("its socket was removed");
  VacateSocket(name);
  log_->Info("listener.closed", {{"path", removed.path()}, {"guest", name}});
  return removed;
}

config::v1::GuestState GuestService::GuestSockets() const {
  config::v1::GuestState state;
  state.set_version(1);
  for (const auto& [name, socket] : guest_sockets_) *state.add_guests() = socket;
  return state;
}

}  // namespace entropyd
